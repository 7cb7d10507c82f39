"""The command line, served by the service that it goes with: a page for people and for `pip --find-links`,
the wheel, and its hash for scripts.
"""

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from orchestrator.core.cli_wheel import DISTRIBUTION, pack_wheel


@require_safe
def show_page(request: HttpRequest) -> HttpResponse:
    """How to install `blocks`. Installers read the same page: its link carries the hash."""
    wheel = pack_wheel()
    address = request.build_absolute_uri(reverse("cli-wheel", args=[wheel.name]))
    return render(request, "web/cli.html", {"wheel": wheel, "address": address})


@require_safe
def show_index(request: HttpRequest) -> HttpResponse:
    """The package index of one package, as installers know it (PEP 503)."""
    return render(request, "web/cli_index.html", {"name": DISTRIBUTION})


@require_safe
def show_releases(request: HttpRequest) -> HttpResponse:
    """The files of the one package of the index."""
    return render(request, "web/cli_releases.html", {"name": DISTRIBUTION, "wheel": pack_wheel()})


@require_safe
def describe_release(request: HttpRequest) -> JsonResponse:
    """Version, address and hash, for a script that installs."""
    wheel = pack_wheel()
    address = request.build_absolute_uri(reverse("cli-wheel", args=[wheel.name]))
    return JsonResponse({"version": wheel.version, "url": address, "sha256": wheel.sha256})


@require_safe
def download_wheel(request: HttpRequest, file: str) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """The wheel itself."""
    wheel = pack_wheel()
    if file != wheel.name:
        raise Http404(f"This service has {wheel.name}.")
    headers = {"ETag": f'"{wheel.sha256}"', "Content-Disposition": f'attachment; filename="{wheel.name}"'}
    return HttpResponse(wheel.content, content_type="application/octet-stream", headers=headers)
