from .workers import *  # noqa
