"""The page of the local receivers, on which somebody plays the person who is asked in Slack."""

import urllib.error
import urllib.request

import pytest
from slack_sdk import WebClient

from orchestrator.dev.receivers import Receivers

LEAD = "lead@example.org"


@pytest.fixture
def receivers():
    with Receivers() as running:
        running.received.slack.add_person(LEAD)
        yield running


def read_page(receivers: Receivers) -> str:
    asked = urllib.request.Request(receivers.url, headers={"Accept": "text/html"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return answer.read().decode()


def ask_lead(receivers: Receivers, text: str) -> None:
    client = WebClient(token="xoxb-test", base_url=f"{receivers.url}/slack/api/")
    person = client.users_lookupByEmail(email=LEAD)["user"]["id"]
    channel = client.conversations_open(users=person)["channel"]["id"]
    button = {
        "type": "button",
        "action_id": "yes",
        "value": "ONB-TEST",
        "text": {"type": "plain_text", "text": "Approve <it>"},
    }
    client.chat_postMessage(channel=channel, text=text, blocks=[{"type": "actions", "elements": [button]}])


def test_the_page_shows_what_arrived_and_its_buttons_as_text(receivers):
    assert "Nothing yet." in read_page(receivers)
    ask_lead(receivers, "May <script>alert(1)</script> begin?")
    page = read_page(receivers)
    assert "May &lt;script&gt;alert(1)&lt;/script&gt; begin?" in page
    assert "<script>alert" not in page
    assert "Approve &lt;it&gt;" in page
    assert 'name="action_id" value="yes"' in page


def test_a_press_on_what_is_not_there_is_refused(receivers):
    asked = urllib.request.Request(f"{receivers.url}/slack/press", data=b"channel=D1&ts=1.0&action_id=yes")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(asked, timeout=10)
    with caught.value:
        assert caught.value.code == 409
