"""Images: decoded once, upright and RGB; then limited; then made smaller for the first look."""

from visionthink_pl.images.decoding import ImageSource, check_file, decode, look
from visionthink_pl.images.first_views import FirstView, FullView, HalfView, ScaledView
from visionthink_pl.images.rgb import ImageDecodeError
from visionthink_pl.images.sizes import PixelLimits, Size, half

__all__ = [
    "FirstView",
    "FullView",
    "HalfView",
    "ImageDecodeError",
    "ImageSource",
    "PixelLimits",
    "ScaledView",
    "Size",
    "check_file",
    "decode",
    "half",
    "look",
]
