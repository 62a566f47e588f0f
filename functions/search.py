"""Searching the shop: words in names, breeds and descriptions, the best matches first."""

from baaskit_client import eq, gte, ilike, lte, or_, table

from baaskit.functions import Context, http

SHOWN = "id,seller_id,name,species,breed,age_months,price,stock,status,description,photo,tags,created_at"
MOST_WORDS = 5


@http("search", methods=["GET", "POST"], auth="anon")
async def search(
    ctx: Context, q: str, limit: int = 24, species: str = "", least: float | None = None, most: float | None = None
) -> list[dict]:
    """Pets for sale with every word of `q` somewhere, as the caller may see them; those with a word in the name first.
    Narrowed, where given, to a species and a range of prices."""
    words = [word for word in q.replace("%", " ").replace("_", " ").replace("*", " ").split() if word][:MOST_WORDS]
    if not words:
        return []
    found = table("pets").where(eq("status", "available"))
    for word in words:
        pattern = f"%{word}%"
        found = found.where(or_(ilike("name", pattern), ilike("breed", pattern), ilike("description", pattern)))
    if species:
        found = found.where(eq("species", species))
    if least is not None:
        found = found.where(gte("price", least))
    if most is not None:
        found = found.where(lte("price", most))
    rows = await ctx.client.run(found.select(SHOWN).order("id").limit(200))
    return sorted(rows, key=lambda row: -_score(row, words))[: max(1, min(limit, 100))]


def _score(row: dict, words: list[str]) -> int:
    """Sorting is stable, so equal scores keep the database's order."""
    name, breed = row["name"].lower(), row["breed"].lower()
    return sum(3 * name.startswith(w.lower()) + 2 * (w.lower() in name) + (w.lower() in breed) for w in words)
