"""Plain English that stands for columns and values: heaviest for weight, Japanese for Japan."""

from __future__ import annotations

_ADJECTIVES = {
    "weight mass": "heavy heavier heaviest light lighter lightest weigh weighs weighed weighing",
    "length time duration distance": "long longer longest short shorter shortest",
    "speed": "fast faster fastest",
    "speed acceleration": "quick quicker quickest",
    "price cost": "cheap cheaper cheapest priced pricing",
    "price cost budget": "expensive priciest pricey costly costliest cost costs",
    "distance": "cover covers covered flown",
    "mpg miles_per_gallon": "mileage mileages economy efficient",
    "temp temperature": "hot hotter hottest warm warmer warmest cold colder coldest temperature temperatures degrees",
    "precipitation rainfall": "dry driest rain rainfall rained",
    "precipitation rain": "wet wetter wettest",
    "wind": "windy windiest windier",
    "age": "old older oldest young younger youngest aged",
    "pop population": "people inhabitants populous residents populated",
    "height": "tall taller tallest",
    "horsepower": "power powerful hp",
    "life life_expectancy life_expect": "lived longevity",
    "fertility": "births children",
    "sales gross revenue": "revenue revenues turnover takings sales",
    "gross revenue income salary pay wage": "earned earning earnings earn earns",
    "salary wage pay income": "paid pay pays salaries wages",
    "gross revenue": "made grossed",
    "rating score": "score scored scores rated rating",
    "running_time runtime duration": "runtime",
    "delay": "late lateness delayed",
    "price close": "closed trading traded",
    "carrier": "airline airlines",
    "origin dest": "airport",
    "symbol": "ticker tickers company",
    "country": "nation nations",
    "distributor": "studio studios",
    "quantity qty units": "units items pieces sold bought",
    "yield": "harvest crop yielded yields",
    "tenure": "serving served seniority",
}
SYNONYMS: dict[str, tuple[str, ...]] = {}
for _targets, _names in _ADJECTIVES.items():
    for _name in _names.split():
        SYNONYMS[_name] = (*SYNONYMS.get(_name, ()), *_targets.split())

# What people of a place, or things from it, are called; keys of values, alternatives separated by `|`.
DEMONYMS = {
    **{"japanese": "japan", "american": "usa|united states|america|us", "european": "europe", "german": "germany", "french": "france"},
    **{"italian": "italy", "spanish": "spain", "chinese": "china", "indian": "india", "british": "united kingdom|uk|great britain"},
    **{"brazilian": "brazil", "canadian": "canada", "mexican": "mexico", "australian": "australia", "turkish": "turkey"},
    **{"greek": "greece", "dutch": "netherlands", "swiss": "switzerland", "polish": "poland", "korean": "south korea|korea"},
    **{"nigerian": "nigeria", "egyptian": "egypt", "swedish": "sweden", "norwegian": "norway", "finnish": "finland", "danish": "denmark"},
    **{"irish": "ireland", "austrian": "austria", "portuguese": "portugal", "argentine": "argentina", "african": "africa"},
    **{"asian": "asia", "iranian": "iran", "iraqi": "iraq", "pakistani": "pakistan", "cuban": "cuba", "peruvian": "peru"},
    **{"chilean": "chile", "the us": "usa|united states", "america": "usa|united states", "the states": "usa|united states"},
    **{"uk": "united kingdom", "us": "usa|united states", "dc": "district of columbia"},
    **{"men": "male|man|m", "man": "male|m", "women": "female|woman|f", "woman": "female|f", "boys": "boy|male", "girls": "girl|female"},
    **{"male": "men|man|m", "female": "women|woman|f"},
}
# Ordinary words: a value that is one of them counts as named only where it is written as a name.
COMMON = frozenset(
    (
        "the a an of in on it up is are be by for to and or not no all any some more most less least other others one two first last next new "
        "old big small high low time day days week month year years men man women people home world life love war star house game games night "
        "light dark black white red blue green run out over under about with from this that these those his her their our your my me he she "
        "they we you i at as if so but who what when where how why do does did done go get got make made take can will would should may might "
        "must show total average mean median sum count number share rate per max min value values table data row rows column columns true "
        "false none open close unknown yes source rating major type"
    ).split()
)
# Words of a column's name that say little: they do not name the column alone.
GENERIC = frozenset("time date name type year code total rating number value count level group major source id key index rate".split())
# Prefixes that stand for a longer word in names of columns.
SHORT_FORMS = {
    **{"pop": "population", "dep": "departure", "arr": "arrival", "avg": "average", "qty": "quantity", "amt": "amount", "num": "number"},
    **{"cyl": "cylinders", "wgt": "weight", "grad": "graduation", "hs": "school", "temp": "temperature", "dest": "destination"},
    **{
        "dept": "department",
        "emp": "employees",
        "cust": "customer",
        "rev": "revenue",
        "vol": "volume",
        "pct": "percent",
        "dist": "distance",
    },
    **{"elev": "elevation", "lat": "latitude", "lon": "longitude", "hr": "hour", "yr": "year", "yrs": "years", "educ": "education"},
}
