"""One page that shows a run, or several: as a file (`minigan report`), live (`minigan watch`, Live), for 2-D GANs."""

from .live import Live
from .pages import page, write_report
from .toy import Explorer

__all__ = ["Explorer", "Live", "page", "write_report"]
