import json
import threading
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from exchange_rates import convert

RATES = {"USD": "1.1", "CHF": "0.955", "JPY": "160"}


class Rates(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(RATES).encode())

    def log_message(self, *arguments):
        return None


def serve_rates(_number):
    server = HTTPServer(("127.0.0.1", 0), Rates)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


@pytest.fixture
def rates_url():
    return serve_rates(0)


@pytest.mark.parametrize(
    ("amount", "currency", "converted"),
    [
        ("10", "USD", "11.00"),
        ("0.05", "USD", "0.06"),
        ("1", "CHF", "0.96"),
        ("3", "CHF", "2.86"),
        ("2.5", "JPY", "400.00"),
        ("0", "JPY", "0.00"),
    ],
)
def test_convert(rates_url, amount, currency, converted):
    assert convert(Decimal(amount), currency, rates_url) == Decimal(converted)


def test_unknown_currency(rates_url):
    with pytest.raises(LookupError, match="^no rate for XXX$"):
        convert(Decimal(1), "XXX", rates_url)


def test_other_kind_of_address():
    with pytest.raises(ValueError, match="^file:///x is not an address$"):
        convert(Decimal(1), "USD", "file:///x")
