"""Django under ASGI: visitors rate a page. The view is an ordinary function and runs in a thread.

uvicorn django_app:app
"""

from collections.abc import Callable

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from fireforget import FireForget, current_context

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"], ROOT_URLCONF=__name__, MIDDLEWARE=[f"{__name__}.name_parameters"]
)
django.setup()

ff = FireForget()
totals: dict[str, int] = {}


def name_parameters(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Tell which parts of the path are parameters: then the route of ``http.request`` is ``/rate/{page}``."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.resolver_match is not None:
            request.scope["path_params"] = request.resolver_match.kwargs
        return response

    return middleware


async def add_up(page: str, stars: int) -> None:
    """Keep the totals. It runs in the server's loop, although a thread handed it over."""
    totals[page] = totals.get(page, 0) + stars
    ff.emit("rating.total", {"page": page, "stars": totals[page]})


def rate(request: HttpRequest, page: str) -> HttpResponse:
    """Take a rating such as ``/rate/about?stars=4``."""
    stars = request.GET.get("stars", "")
    if stars not in {"1", "2", "3", "4", "5"}:
        return JsonResponse({"error": "give stars from 1 to 5"}, status=400)
    ff.emit("rating", {"page": page, "stars": int(stars)})
    current_context().wait_until(add_up(page, int(stars)))
    return JsonResponse({"thanks": True})


urlpatterns = [path("rate/<slug:page>", rate)]

app = ff.wrap(get_asgi_application())
