"""What data exists: products, image sets, licences, splits and where to fetch them."""

from data_catalog.catalog import Catalog, load_catalog
from data_catalog.download import fetch
from data_catalog.product import Entry, ImageSet, Period, Product, RemoteFile

__all__ = [
    "Catalog",
    "Entry",
    "ImageSet",
    "Period",
    "Product",
    "RemoteFile",
    "fetch",
    "load_catalog",
]
