from order_formats import convert_orders, count_orders


def test_both_formats():
    out = convert_orders("sku,n\na,1\nb,2\n")
    assert out["json"] == '{"n": 1, "sku": "a"}\n{"n": 2, "sku": "b"}'
    assert out["xml"] == '<orders count="2"><order sku="a">1</order><order sku="b">2</order></orders>'


def test_nothing():
    assert convert_orders("sku,n\n") == {"json": "", "xml": '<orders count="0" />'}


def test_counts():
    assert count_orders('<orders><order sku="a">3</order><order sku="b">4</order><order /></orders>') == 7
    assert count_orders("<orders />") == 0
