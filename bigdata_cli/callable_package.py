"""Packages and modules that can be called like the function they are named after.

`bigdata_cli.convert` is a package and also the function of the public API. As soon as anything
imports a module of the package, Python sets the attribute `convert` of `bigdata_cli` to the
package, so the package itself has to be what is called: then the name means the same thing
whatever was imported before.
"""

from __future__ import annotations

import sys
from importlib import import_module
from inspect import Signature, signature
from types import ModuleType
from typing import Any


class CallablePackage(ModuleType):
    """A package that forwards calls to one of its functions, imported at the first call."""

    call_target: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _function(self)(*args, **kwargs)

    @property
    def __signature__(self) -> Signature:
        return signature(_function(self))


def make_callable(package: str, target: str) -> None:
    """Let the package of that name be called as `target`, written "module:function"."""
    module = sys.modules[package]
    module.__class__ = CallablePackage
    module.__dict__["call_target"] = target


def _function(package: CallablePackage) -> Any:
    module, _, name = package.call_target.partition(":")
    return getattr(import_module(module), name)
