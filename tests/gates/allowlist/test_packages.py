"""What well-known packages do beyond computing has to be declared; the rest of them is free."""

import pytest

from gates.allowlist import find_capability_uses, find_refusals

OWN = {"parcel", "numpy", "pandas", "requests"}
REFUSED = {
    'private-package': 'import numpy\n\n\ndef reach():\n    return numpy._core\n',
    'private-from-package': 'from numpy import _core\n',
    'package-stdlib': "import numpy\n\n\ndef reach():\n    return numpy.lib.os.system('id')\n",
    'pandas-read': 'import pandas as pd\n\n\ndef reach(p):\n    return pd.read_csv(p)\n',
    'pandas-pickle': 'import pandas as pd\n\n\ndef reach(p):\n    return pd.read_pickle(p)\n',
    'pandas-to': 'import pandas as pd\n\n\ndef reach(p):\n    pd.DataFrame().to_csv(p)\n',
    'pandas-query': 'import pandas as pd\n\n\ndef reach(df, text):\n    return df.query(text)\n',
    'pandas-eval': 'import pandas as pd\n\n\ndef reach(text):\n    return pd.eval(text)\n',
    'numpy-load': 'import numpy as np\n\n\ndef reach(p):\n    return np.load(p, allow_pickle=True)\n',
    'numpy-tofile': 'import numpy as np\n\n\ndef reach(p):\n    np.zeros(3).tofile(p)\n',
    'requests': 'import requests\n\n\ndef reach(u):\n    return requests.get(u)\n',
    'method-of-a-frame': "import pandas as pd\n\n\ndef reach(frame: pd.DataFrame, place):\n    frame.to_parquet(path=place)\n",
    'evaluates-a-column': "import pandas as pd\n\n\ndef reach(frame: pd.DataFrame, text):\n    return frame.eval(expr=text)\n",
}  # fmt: skip
FREE = (
    "import pandas as pd\n\n\ndef f(rows):\n    return pd.DataFrame(rows).groupby('a')['b'].sum().to_csv()\n",
    "import io\n\nimport pandas as pd\n\n\ndef f(text):\n    return pd.read_csv(io.StringIO(text)).query('a > 1').to_dict()\n",
    "import numpy as np\n\n\ndef f(values):\n    return np.array(values).mean().round(2).tolist()\n",
    "import pandas as pd\n\n\ndef f(frame: pd.DataFrame):\n    return frame.rename(columns={'a': 'b'}).replace({'x': 'y'})\n",
)  # fmt: skip
USES = {
    "import requests\n\n\ndef f(url):\n    return requests.get(url, timeout=3).json()\n": {"network"},
    "import pandas as pd\n\n\ndef f(place):\n    return pd.read_csv(place)\n": {"files:read"},
    "import numpy as np\n\n\ndef f(place):\n    np.save(place, np.zeros(3))\n": {"files:write"},
    "import numpy as np\n\n\ndef f():\n    return np.random.rand()\n": {"randomness"},
    "import numpy as np\n\n\ndef f(seed):\n    return np.random.default_rng(seed).normal()\n": set(),
}


@pytest.mark.parametrize("source", REFUSED.values(), ids=REFUSED)
def test_what_reaches_out_through_a_package_is_refused(source: str) -> None:
    found = find_refusals("x.py", source, OWN, is_test=False)

    assert {finding.severity for finding in found} == {"error"}


@pytest.mark.parametrize("source", FREE)
def test_what_computes_with_a_package_is_free(source: str) -> None:
    assert find_refusals("x.py", source, OWN, is_test=False) == ()


@pytest.mark.parametrize(("source", "used"), USES.items())
def test_what_a_package_needs_is_known(source: str, used: set[str]) -> None:
    assert {capability for capability, _ in find_capability_uses(source, OWN)} == used
    assert find_refusals("x.py", source, OWN, is_test=False, capabilities=used) == ()
