import unittest

from unit_tests import write_roman


class RomanTest(unittest.TestCase):
    def test_numbers(self):
        expected = {1: "I", 3: "III", 4: "IV", 5: "V", 8: "VIII", 9: "IX", 10: "X", 14: "XIV", 39: "XXXIX"}
        self.assertEqual({number: write_roman(number) for number in expected}, expected)

    def test_outside(self):
        for number in (0, 40, -1):
            with self.assertRaisesRegex(ValueError, f"^{number} is outside 1 to 39$"):
                write_roman(number)
