"""Routes for what the catalog and the methods hold."""

# No annotations from __future__: FastAPI reads them.
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from impactree.engine import shared_engine
from impactree.report import schema
from impactree.server.answers import answer, described, ref
from impactree.server.bodies import KindName, Text
from impactree.service import listing

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["Catalog"])


class Search(BaseModel):
    """A text that names hold."""

    model_config = ConfigDict(extra="forbid")

    search: Text = ""


class ZoneSearch(Search):
    """A text that names of zones hold."""

    search: Text = Field("", examples=["france"])


class HostSearch(Search):
    """A text that names of hosts hold."""

    search: Text = Field("", examples=["openai"])


class RegionSearch(Search):
    """A text that names of regions hold."""

    search: Text = Field("", examples=["paris"])


class ModelSearch(Search):
    """A text, a maker and a kind."""

    search: Text = Field("", examples=["haiku"])
    maker: Text | None = None
    kind: KindName | None = None


def _listed(name: str, rows: list[Any]) -> Response:
    return answer({name: rows, "catalog_version": shared_engine().catalog.version})


def _rows(name: str, row: str) -> dict[int | str, dict[str, Any]]:
    return described(
        {
            "type": "object",
            "required": [name, "catalog_version"],
            "properties": {
                name: {"type": "array", "items": ref(row)},
                "catalog_version": {"type": "string"},
            },
        }
    )


@router.get("/models", summary="Models", responses=_rows("models", "ModelRow"))
def models(query: Annotated[ModelSearch, Query()]) -> Response:
    """The models whose id, alias or maker holds a text."""
    return _listed("models", listing.models(query.search, query.maker, query.kind))


@router.get("/zones", summary="Electricity mix zones", responses=_rows("zones", "ZoneRow"))
def zones(query: Annotated[ZoneSearch, Query()]) -> Response:
    """The zones whose code or name holds a text, with their factors."""
    return _listed("zones", listing.zones(query.search))


@router.get("/providers", summary="Hosts", responses=_rows("providers", "ProviderRow"))
def providers(query: Annotated[HostSearch, Query()]) -> Response:
    """Who runs models: zone, PUE and WUE."""
    return _listed("providers", listing.providers(query.search))


@router.get("/regions", summary="Cloud regions", responses=_rows("regions", "RegionRow"))
def regions(query: Annotated[RegionSearch, Query()]) -> Response:
    """The clouds' regions: zone, PUE and WUE; `cloud` is that of the hosts that run there."""
    return _listed("regions", listing.regions(query.search))


@router.get("/methods", summary="Methods", responses=_rows("methods", "MethodRow"))
def methods() -> Response:
    """The methods: what each covers, its constants, and where they are from."""
    return _listed("methods", listing.methods())


@router.get(
    "/disclosures",
    summary="What makers published themselves",
    responses=_rows("disclosures", "DisclosureRow"),
)
def disclosures() -> Response:
    """Figures of makers about their own models and services, with boundary and source."""
    return _listed("disclosures", listing.disclosures())


@router.get("/accelerators", summary="Accelerators", responses=_rows("accelerators", "Text"))
def accelerators() -> Response:
    """Those that `deployment` takes."""
    return _listed("accelerators", listing.accelerators())


@router.get(
    "/schemas/{name}",
    summary="JSON schemas of reports and impacts",
    responses=described({"type": "object"}),
)
def schemas(
    name: Annotated[Literal["impacts", "report"], Path(examples=["impacts"])],
) -> Response:
    """A published schema, complete in itself."""
    return answer(schema(name))
