from .workers import *  # noqa
from .workers import WORKERS
