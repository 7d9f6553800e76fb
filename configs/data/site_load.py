"""Makes site_load.csv.gz: the electric load of three sites, hour by hour, with weather, price and holidays.

python configs/data/site_load.py

The load follows working hours, the temperature (heating), the price, of which tomorrow's is known today, and holidays,
each site in its own way and size; the weather comes and goes with fronts of some days.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

START, WEEKS = np.datetime64("2023-10-02T00", "h"), 30
HOLIDAYS = ("2023-10-03", "2023-11-01", "2023-12-25", "2023-12-26", "2024-01-01", "2024-03-29", "2024-04-01")
SITES = {"office": (60.0, 0.9, 0.035), "mill": (420.0, 0.5, 0.008), "harbour": (1800.0, 0.25, 0.015)}
"""Kilowatts at night, how much working hours add, and how much each degree below 16 °C does."""


def slow_noise(random: np.random.Generator, count: int, keep: float) -> np.ndarray:
    """Noise of standard deviation 1 that keeps a share of itself from hour to hour, (count,)."""
    noise = np.empty(count)
    noise[0] = random.normal()
    for hour in range(1, count):
        noise[hour] = keep * noise[hour - 1] + np.sqrt(1 - keep**2) * random.normal()
    return noise


def rows() -> list[str]:
    """The lines of the table, hour by hour and site by site."""
    random = np.random.default_rng(20231002)
    count = WEEKS * 7 * 24
    times = START + np.arange(count)
    hour, weekday = np.arange(count) % 24, np.arange(count) // 24 % 7
    days = times.astype("datetime64[D]")
    holiday = np.isin(days, np.array(HOLIDAYS, "datetime64[D]"))
    year = (days - np.datetime64("2023-01-15")).astype(int) / 365.25
    region = 9 - 9 * np.cos(2 * np.pi * year) - 3 * np.cos(2 * np.pi * (hour - 3) / 24)
    region += 4.5 * slow_noise(random, count, 0.985)
    peaks = 35 * np.exp(-(((hour - 8) / 2) ** 2)) + 45 * np.exp(-(((hour - 18) / 2.5) ** 2))
    price = 70 + peaks - 12 * (weekday > 4) + 22 * slow_noise(random, count, 0.97)
    working = (weekday < 5) & ~holiday
    day = np.where(working, np.exp(-(((hour - 12.5) / 4.5) ** 4)), 0.12)
    loads, temperatures = [], []
    for index, (base, work, heating) in enumerate(SITES.values()):
        temperature = region + index - 1 + 0.5 * slow_noise(random, count, 0.9)
        load = 1 + work * day + heating * np.maximum(0, 16 - temperature) - 0.0012 * (price - 70)
        loads.append(base * (load + 0.015 * slow_noise(random, count, 0.8)))
        temperatures.append(temperature)
    return [
        f"{str(times[at]).replace('T', ' ')}:00,{site},{loads[index][at]:.1f},{temperatures[index][at]:.1f},"
        f"{price[at]:.1f},{int(holiday[at])}"
        for at in range(count)
        for index, site in enumerate(SITES)
    ]


def main() -> None:
    text = "\n".join(["time,site,load,temperature,price,holiday", *rows()]) + "\n"
    path = Path(__file__).with_name("site_load.csv.gz")
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
