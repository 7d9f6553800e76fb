"""What is known of the named data sets without loading them."""

from __future__ import annotations

from dataclasses import dataclass

from dlrun.data.columns import Column, Defaults
from dlrun.data.features.category import sort_texts


@dataclass(frozen=True)
class KnownSet:
    """A named data set.

    Args:
        about: what it is, in one line.
        rows: how many there are, the test part included.
        columns: by name.
        defaults: the roles of its columns.
        own_test: whether it has a test part of its own.
        labels: the names of the target's classes in the order of the numbers that the files have for them.
    """

    about: str
    rows: int
    columns: dict[str, Column]
    defaults: Defaults
    own_test: bool = False
    labels: tuple[str, ...] = ()


def _classes(labels: tuple[str, ...]) -> Column:
    return Column("category", classes=tuple(sort_texts(list(labels))))


def _images(about: str, rows: int, shape: tuple[int, int, int], labels: tuple[str, ...]) -> KnownSet:
    columns = {"image": Column("image", shape, limits=(0.0, 255.0)), "label": _classes(labels)}
    return KnownSet(about, rows, columns, Defaults(target="label"), own_test=True, labels=labels)


def _texts(about: str, rows: int, target: str, labels: tuple[str, ...]) -> KnownSet:
    columns = {"text": Column("text"), target: _classes(labels)}
    return KnownSet(about, rows, columns, Defaults(target=target), own_test=True, labels=labels)


def _table(
    about: str, rows: int, numbers: str, target: str, labels: tuple[str, ...] = (), own_test: bool = False
) -> KnownSet:
    columns = {name: Column("number") for name in numbers.split()}
    columns[target] = _classes(labels) if labels else Column("number")
    return KnownSet(about, rows, columns, Defaults(target=target), own_test, labels)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


DIGITS = tuple("0123456789")

BREAST_CANCER = " ".join(
    f"{statistic}_{measure}"
    for statistic in ("mean", "error", "worst")
    for measure in (
        *("radius", "texture", "perimeter", "area", "smoothness"),
        *("compactness", "concavity", "concave_points", "symmetry", "fractal_dimension"),
    )
)

BUNDLED = {
    "mnist": _images("70,000 handwritten digits, 28x28 grey", 70_000, (28, 28, 1), DIGITS),
    "digits": KnownSet(
        "1,797 handwritten digits, 8x8 grey, pixels 0 to 16",
        1_797,
        {"image": Column("image", (8, 8, 1), limits=(0.0, 16.0)), "label": _classes(DIGITS)},
        Defaults(target="label"),
        labels=DIGITS,
    ),
    "iris": _table(
        "150 iris flowers of 3 species, 4 measures in cm",
        150,
        "sepal_length sepal_width petal_length petal_width",
        "species",
        ("setosa", "versicolor", "virginica"),
    ),
    "wine": _table(
        "178 wines of 3 cultivars, 13 chemical measures",
        178,
        "alcohol malic_acid ash alcalinity_of_ash magnesium total_phenols flavanoids nonflavanoid_phenols "
        "proanthocyanins color_intensity hue od280_od315 proline",
        "cultivar",
        ("class_0", "class_1", "class_2"),
    ),
    "breast_cancer": _table(
        "569 tumours, malignant or benign, 30 measures of cell nuclei",
        569,
        BREAST_CANCER,
        "diagnosis",
        ("malignant", "benign"),
    ),
    "diabetes": _table(
        "442 patients, 10 measures, the progression of their diabetes a year later",
        442,
        "age sex bmi blood_pressure tc ldl hdl tch ltg glu",
        "progression",
    ),
    "sotu_eras": KnownSet(
        "6,499 passages of State of the Union addresses, before or since 1900",
        6_499,
        {
            "year": Column("number"),
            "president": Column("category"),
            "era": _classes(("before 1900", "since 1900")),
            "text": Column("text"),
        },
        Defaults(target="era", inputs=("text",), group="year"),
    ),
    "seattle_temps": KnownSet(
        "8,759 hours of air temperature in Seattle, 2010, in °F",
        8_759,
        {"date": Column("time"), "temp": Column("number")},
        Defaults(target="temp", time="date"),
    ),
}

FASHION = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)

CIFAR10 = _words("airplane automobile bird cat deer dog frog horse ship truck")

CIFAR100 = _words(
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can "
    "castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin "
    "elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster "
    "man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck "
    "pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk "
    "skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger "
    "tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
)

REUTERS = _words(
    "cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves ship cotton carcass "
    "crude nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold tin strategic-metal livestock retail ipi "
    "iron-steel rubber heat jobs lei bop zinc orange pet-chem dlr gas silver wpi hog lead"
)

KERAS = {
    "fashion_mnist": _images("70,000 pictures of clothes, 28x28 grey", 70_000, (28, 28, 1), FASHION),
    "cifar10": _images("60,000 photographs of 10 classes, 32x32 colour", 60_000, (32, 32, 3), CIFAR10),
    "cifar100": _images("60,000 photographs of 100 classes, 32x32 colour", 60_000, (32, 32, 3), CIFAR100),
    "imdb": _texts("50,000 film reviews, negative or positive", 50_000, "sentiment", ("negative", "positive")),
    "reuters": _texts("11,228 newswires of 46 topics", 11_228, "topic", REUTERS),
    # In the order of the StatLib file, and with its totals: keras-team/keras#21886. Keras's documentation differs.
    "california_housing": _table(
        "20,640 districts of California, 8 measures, the median house value in dollars",
        20_640,
        "longitude latitude housing_median_age total_rooms total_bedrooms population households median_income",
        "median_house_value",
        own_test=True,
    ),
}
