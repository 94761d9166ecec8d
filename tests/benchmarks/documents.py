"""Order documents for the article's flow: each differs, and what must come out of each is known."""

import random
from typing import Any

Json = Any
FIRST = ("Amélie", "Jonas", "Chiara", "Aleš", "Niamh", "Søren", "Zoë", "Iñigo")
LAST = ("Laurent", "Weber", "Rossi", "Novák", "Byrne", "Jensen", "de Vries", "Etxeberria")
PLACES = (("Nantes", "France"), ("Köln", "Germany"), ("Torino", "Italy"), ("Cork", "Ireland"), ("Århus", "Denmark"))
ITEM_BYTES = 82  # about what one item takes as JSON


def order(number: int, kilobytes: float = 1.6) -> dict[str, Json]:
    """The same number gives the same document."""
    chance = random.Random(number)
    city, country = chance.choice(PLACES)
    items = [
        {
            "sku": f"SKU-{chance.randrange(10**6):06}",
            "name": f"Article {position} of order {number}",
            "quantity": chance.randrange(1, 9),
            "price_per_unit": chance.randrange(100, 99_999) / 100,
        }
        for position in range(max(2, int((kilobytes * 1024 - 250) / ITEM_BYTES)))
    ]
    return {
        "order_id": f"ORD-{number:09}",
        "first_name": chance.choice(FIRST),
        "last_name": chance.choice(LAST),
        "email": f"customer{number}@example.com",
        "ordered_at": "2026-03-14T09:26:53Z",
        "currency": "EUR",
        "address": {"street": f"{number % 200} rue des Carmes", "city": city, "country": country},
        "items": items,
    }


def is_summary_of(document: dict[str, Json], found: Json) -> bool:
    """Whether `found` is what the order flow must make of the document."""
    if not isinstance(found, dict):
        return False
    total = sum(item["quantity"] * item["price_per_unit"] for item in document["items"])
    return (
        found.get("order_id") == document["order_id"]
        and found.get("customer_name") == f"{document['first_name']} {document['last_name']}"
        and found.get("address") == f"{document['address']['city']}, {document['address']['country']}"
        and abs(found.get("total_price", 0) - total) < 0.01
    )
