"""Server functions: POST /functions/v1/hello"""

from baaskit.functions import Context, http


@http("hello", methods=["GET", "POST"], auth="anon")
async def hello(ctx: Context, name: str = "world") -> dict[str, str]:
    return {"message": f"Hello, {name}!"}
