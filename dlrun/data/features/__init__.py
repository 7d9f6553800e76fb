"""How a column enters the network: one file a kind, each with the feature and its fitted state."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dlrun.data.features.category import Category, FittedCategory
from dlrun.data.features.date import Date, FittedDate
from dlrun.data.features.image import FittedImage, Image
from dlrun.data.features.number import FittedNumber, Number
from dlrun.data.features.series import FittedSeries, Series
from dlrun.data.features.text import FittedText, Text

Feature = Annotated[Image | Text | Number | Category | Date | Series, Field(discriminator="kind")]
"""A column's way into the network, as the spec says it."""

Fitted = Annotated[
    FittedImage | FittedText | FittedNumber | FittedCategory | FittedDate | FittedSeries, Field(discriminator="kind")
]
"""What a feature has learned from the train rows."""

__all__ = [
    "Category",
    "Date",
    "Feature",
    "Fitted",
    "FittedCategory",
    "FittedDate",
    "FittedImage",
    "FittedNumber",
    "FittedSeries",
    "FittedText",
    "Image",
    "Number",
    "Series",
    "Text",
]
