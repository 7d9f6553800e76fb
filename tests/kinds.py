"""The kinds of a union of the spec, read off the union, so that a test cannot forget a new one."""

from __future__ import annotations

from typing import Any, get_args


def kinds(union: Any) -> list[str]:
    """Every value of `kind` in `Annotated[A | B | …, Field(discriminator="kind")]`."""
    members = get_args(get_args(union)[0])
    return [kind for member in members for kind in get_args(member.model_fields["kind"].annotation)]
