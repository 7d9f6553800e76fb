"""What is done to the images of the train split, anew in each epoch, so that a network sees more than there are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from dlrun.spec.base import Spec

Share = Annotated[float, Field(ge=0, le=1)]
Fill = Literal["reflect", "edge", "black"]


class Augment(Spec):
    """Changes to a train image, each drawn at random for every image and epoch, in the order of these fields.

    What is drawn follows from the seed, the epoch and the row of the image alone. Validation, test and new data are
    seen as they are.
    """

    flip: Literal["horizontal", "vertical", "both"] | None = None
    """Mirrored or not, each as likely: horizontal swaps left and right, vertical top and bottom."""
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Turned by up to so many degrees, either way."""
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Made larger or smaller by up to this share: 0.2 is from 0.8 to 1.2 times the size."""
    shift: Share = 0.0
    """Moved by up to this share of the height and of the width, either way."""
    crop: Annotated[float, Field(gt=0, le=1)] = 1.0
    """A window somewhere in the image is brought to its whole size: of at least this share of the height and width."""
    fill: Fill = "reflect"
    """What is seen where an image was turned, moved or made smaller: the image mirrored at its edge, the pixel at the
    edge, or black."""
    contrast: Share = 0.0
    """The distance of each pixel to the mean of its channel in the image, by up to this share more or less."""
    brightness: Share = 0.0
    """Lighter or darker by up to this share of the range from black to white."""
    noise: Share = 0.0
    """Normal noise is added to each pixel, with this standard deviation as a share of the range from black to white."""
    cutout: Share = 0.0
    """A rectangle of this share of the height and width, somewhere in the image, gets the mean colour of the image
    (DeVries and Taylor 2017, arXiv:1708.04552)."""
    mixup: Annotated[float, Field(ge=0)] = 0.0
    """Each image is mixed with another one of its step, and their targets are too: its share is drawn from the
    distribution Beta(mixup, mixup), 0.2 mostly one of them and 1 any share alike (Zhang et al. 2018,
    arXiv:1710.09412). All inputs must be images, with the same mixup."""

    @property
    def moves(self) -> bool:
        """Whether pixels change their places, by other than mirroring."""
        return bool(self.rotation or self.zoom or self.shift or self.crop < 1)


def something(augment: Augment) -> Augment:
    """Refuses one that changes nothing."""
    if augment.model_copy(update={"fill": "reflect"}) == Augment():
        names = ", ".join(name for name in Augment.model_fields if name != "fill")
        raise ValueError(f"nothing is changed: name one or more of {names}")
    return augment


AugmentField = Annotated[Augment, AfterValidator(something)]
