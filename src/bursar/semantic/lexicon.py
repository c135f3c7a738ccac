"""The English that the guards know: what denies, what is opposite, what excludes each other, what says little.

Lists, and no claim to be whole: what isn't in them is left to the cosine and to the guard of single words.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _groups(text: str) -> list[list[str]]:
    return [group.split() for group in text.split("|")]


NEGATIONS = _words("""
no not never none neither nor without cannot nobody nothing nowhere hardly barely rarely seldom lacks lack lacking
fails fail failed refuse refuses unable except excluding excludes exclude instead unless non
aint arent cant couldnt didnt doesnt dont hadnt hasnt havent isnt mustnt shouldnt wasnt werent wont wouldnt
""")
"""Words that turn a sentence, or leave something out. What ends in n't is one too."""

PREFIXES = ("un", "in", "im", "ir", "il", "dis", "non", "mis", "de", "anti")
"""Before a word that stands in the other text without it: safe and unsafe."""

_OPPOSITES = """
enable disable | activate deactivate | allow forbid | allow block | allow deny | allow prevent | permit prohibit |
permit forbid | accept reject | accept decline | approve reject | approve deny | grant revoke | grant deny | add
remove | add delete | create delete | create destroy | insert delete | install uninstall | attach detach | connect
disconnect | join leave | enter exit | enter leave | login logout | signin signout | subscribe unsubscribe | follow
unfollow | lock unlock | open close | opened closed | start stop | start end | start finish | begin end | begin
finish | launch quit | run stop | pause resume | continue stop | push pull | send receive | buy sell | lend borrow |
give take | import export | upload download | encode decode | encrypt decrypt | compress decompress | serialize
deserialize | marshal unmarshal | pack unpack | zip unzip | mount unmount | load unload | load save | read write |
hide show | show conceal | visible hidden | increase decrease | increase reduce | raise lower | raise reduce | raise
cut | grow shrink | expand collapse | expand shrink | maximize minimize | maximum minimum | max min | most least |
more less | more fewer | upper lower | up down | upgrade downgrade | above below | over under | higher lower | high
low | highest lowest | tall short | long short | longer shorter | longest shortest | big small | bigger smaller |
biggest smallest | large small | larger smaller | largest smallest | wide narrow | deep shallow | thick thin | heavy
light | heavier lighter | fast slow | faster slower | fastest slowest | quick slow | early late | earlier later |
earliest latest | before after | prior after | previous next | past future | first last | old new | older newer |
oldest newest | old young | older younger | ancient modern | left right | top bottom | front back | forward backward
| inside outside | internal external | inner outer | inbound outbound | incoming outgoing | input output | source
target | source destination | in out | on off | public private | local remote | global local | online offline | sync
async | synchronous asynchronous | static dynamic | mutable immutable | strong weak | stronger weaker | hard soft |
hard easy | difficult easy | simple complex | simple complicated | cheap expensive | cheaper dearer | cheapest
dearest | rich poor | good bad | better worse | best worst | right wrong | true false | yes no | pass fail | success
failure | succeed fail | win lose | win loss | profit loss | gain lose | gain loss | asset liability | debit credit
| deposit withdraw | income expense | positive negative | plus minus | add subtract | multiply divide | sum
difference | ascending descending | asc desc | increasing decreasing | even odd | hot cold | hotter colder | warm
cool | heat cool | wet dry | full empty | alive dead | live die | birth death | born died | love hate | like dislike
| agree disagree | trust distrust | appear disappear | arrive depart | arrival departure | attack defend | advantage
disadvantage | pro con | benefit drawback | benefit risk | strength weakness | cause effect | cause prevent | help
harm | help hinder | safe dangerous | safe risky | protect attack | healthy sick | male female | man woman | men
women | boy girl | father mother | dad mom | brother sister | husband wife | son daughter | uncle aunt | king queen
| he she | his her | him her | day night | morning evening | morning night | am pm | summer winter | spring autumn |
north south | east west | northern southern | eastern western | parent child | teacher student | employer employee |
doctor patient | landlord tenant | buyer seller | customer vendor | client server | host guest | question answer |
problem solution | optional required | optional mandatory | voluntary mandatory | always never | all none |
everybody nobody | everyone nobody | everything nothing | often rarely | frequent rare | common rare | usual unusual
| include exclude | with without | many few | much little | single multiple | single double | singular plural |
horizontal vertical | row column | rows columns | width height | lossy lossless | legal illegal | temporary
permanent | native foreign | domestic international | wholesale retail | prefix suffix | head tail | encoder decoder
| train test | training test | train evaluate | training validation | client provider | hire fire | promote demote |
deploy rollback | commit revert | merge split | union intersection | same different | similar different | equal
different | gross net | short-term long-term
"""


_IRREGULAR = """
write wrote written | buy bought | sell sold | pay paid | send sent | get got gotten | give gave given | take took
taken | go went gone | make made | find found | lose lost | begin began begun | win won | see saw seen | know knew
known | think thought | come came | become became | run ran | speak spoke spoken | teach taught | break broke broken
| choose chose chosen | drive drove driven | eat ate eaten | fall fell fallen | grow grew grown | keep kept | leave
left | meet met | rise rose risen | build built | spend spent | say said | tell told | bear born | draw drew drawn |
throw threw thrown | man men | woman women | child children | person people | foot feet | mouse mice
"""
IRREGULAR = {form: forms[0] for forms in _groups(_IRREGULAR) for form in forms[1:] if form != "left"}  # a side, too


def stem(word: str) -> str:
    """A word without the endings of number and time; the same for most forms of one word, and never wrong by much.

    >>> [stem(word) for word in ("enabling", "enabled", "enables", "stopped", "policies", "class")]
    ['enabl', 'enabl', 'enabl', 'stop', 'policy', 'class']
    """
    word = word.removesuffix("'s")
    word = IRREGULAR.get(word, word)
    for ending, instead, least in (
        ("ies", "y", 5),
        ("ied", "y", 5),
        ("sses", "ss", 5),
        ("ing", "", 6),
        ("ed", "", 5),
        ("s", "", 4),
    ):
        if (
            word.endswith(ending)
            and len(word) >= least
            and not word.endswith(("ss", "us", "is")[: 3 * (ending == "s")])
        ):
            word = word[: -len(ending)] + instead
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] in "bdgmnprt":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


OPPOSITES: dict[str, set[str]] = {}
"""stem → stems of what says the opposite."""

for _pair in _groups(_OPPOSITES):
    _one, _other = map(stem, _pair)
    OPPOSITES.setdefault(_one, set()).add(_other)
    OPPOSITES.setdefault(_other, set()).add(_one)

_CLASSES = {
    "unit": (
        "km kilometer kilometre kilometers|mile miles|m meter metre|cm centimeter|mm millimeter|inch|foot feet ft|yard|"
        "kg kilogram kilo|g gram|mg milligram|mcg microgram|pound lb lbs|ounce oz|ton tonne|liter litre|ml milliliter|"
        "gallon|cup|tablespoon tbsp|teaspoon tsp|second sec|minute|hour hr|day daily|week weekly|month monthly|"
        "quarter quarterly|year yearly annual annually|decade|century|ms millisecond|byte|kb kilobyte|mb megabyte|"
        "gb gigabyte|tb terabyte|celsius|fahrenheit|kelvin|percent %|degree|watt|kwh|volt|amp|mph|kmh|calorie|token|"
        "word|character|sentence|paragraph|page"
    ),
    "currency": "$ usd dollar|€ eur euro|£ gbp sterling|¥ jpy yen|₹ inr rupee|cny yuan|chf|btc bitcoin|eth ether",
    "month": (
        "january jan|february feb|april apr|june|july|august aug|september sep|october oct|november nov|december dec"
    ),
    "weekday": "monday mon|tuesday tue|wednesday wed|thursday thu|friday fri|saturday|sunday|weekend|weekday",
    "when": "today|tomorrow|yesterday|tonight|last previous|next|ago",
    "colour": "red|green|blue|yellow|black|white|purple|orange|pink|brown|grey gray",
    "tool": (
        "python|java|javascript js|typescript ts|golang|rust|ruby|php|swift|kotlin|scala|perl|haskell|bash shell|"
        "powershell|sql|postgres postgresql|mysql|sqlite|mongodb|redis|oracle|react|angular|vue|svelte|django|flask|"
        "fastapi|spring|docker|kubernetes k8s|aws|azure|gcp|windows|linux|ubuntu|debian|mac macos|android|ios|iphone|"
        "chrome|firefox|safari|json|yaml|xml|csv|html|css|pdf|excel|git|svn|pandas|numpy|pytorch|tensorflow|jax"
    ),
    "task": (
        "translate translation|summarize summarise summary|rewrite rephrase paraphrase|classify|compare|fix debug|"
        "prove|refactor|pronounce pronunciation|spell spelling|rhyme|synonym|antonym|proofread|conjugate"
    ),
    "scope": "only|per|average|median|half|double twice|triple",
    "people": "child kid baby infant toddler|adult|teenager teen|dog|cat|pregnant|elderly senior",
}

CLASSES: dict[str, dict[str, str]] = {}
"""class → stem → the one word for it: the words of a class exclude each other."""

for _name, _forms in _CLASSES.items():
    CLASSES[_name] = {stem(form): forms[0] for forms in _groups(_forms) for form in forms}

TEXT_TASKS = _words("translate summarize rewrite classify pronounce spell rhyme synonym antonym proofread conjugate")
"""Tasks about a text: another word in it is another task."""

_ALIKE = """
buy purchase order | get obtain retrieve fetch receive | start begin launch | stop end halt cease | create make
generate produce build write | convert transform turn change | remove delete erase | add insert append include |
show display list print | fix repair solve resolve | choose select pick | find locate discover | big large huge |
small little tiny | quick fast rapid | simple easy | correct right proper | error mistake fault | reset recover
restore | cancel terminate | modify change edit update alter | use utilize utilise employ apply | specify indicate
state | check verify confirm | explain describe clarify | mean definition | require need | best optimal ideal |
cheap inexpensive affordable | price cost | job work | doctor physician | car automobile | film movie | phone
telephone | picture image photo | company firm | money cash | trip journey | begin commence | allow permit enable
let | avoid prevent | contain include hold comprise | provide supply give offer | represent embody | kind type sort
variety class | reason cause | method function way | replace substitute | load retrieve obtain | happen occur |
advice tip suggestion recommendation | recommend suggest | important significant | difference distinction | main
primary chief | common usual typical | purpose goal aim objective | feature characteristic | install setup | run
execute | return refund
"""
ALIKE: list[frozenset[str]] = [frozenset(map(stem, group)) for group in _groups(_ALIKE)]
"""Words of which one may stand for another in a question that is otherwise the same."""

MODALS = {"should": "should", "ought": "should", "must": "must", "required": "must", "may": "may", "allowed": "may"}
"""What a question of yes or no is after: may I, must I, should I."""

_COUNTED = """
zero * two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen twenty
"""  # "one" mostly counts nothing
NUMBER_WORDS = {word: str(value) for value, word in enumerate(_COUNTED.split()) if word != "*"} | {
    "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90",
    "hundred": "100", "thousand": "1000", "million": "1000000", "billion": "1000000000", "dozen": "12",
    "second": "2nd", "third": "3rd", "fourth": "4th", "fifth": "5th", "sixth": "6th",
    "seventh": "7th", "eighth": "8th", "ninth": "9th", "tenth": "10th", "thrice": "3",
}  # fmt: skip

FILLERS = _words("""
a an the this that these those is are was were be been being am do does did doing done have has had having will
would can could shall may might i me my mine we us our you your yours he him his she her it its they them their
one ones and or but so if then else as at by for from in into of on onto off out over under to up down with about
than too very just please kindly thanks thank hi hello hey also some any there here what which who whom whose when
where why how need want wish like help tell know way ways utilize utilise employ employed achieve specified given
following provided located found called named existing corresponding possible able get got make let give go going
really actually currently simply using use via etc ok okay dear yes well s t re ve ll d m
""")
"""Words that two ways of asking the same may have or not."""

RELATIONS = _words("""
from to than into over after before against versus vs
""")
"""Words after which it matters who stands there."""

TURNING = _words("""
by about from into onto off out over under up down against for with
""")
"""Of which one in place of another says something else: a book by Kant, a book about Kant."""

CIRCUMSTANCES = _words("""
in on for with at using by
""")
"""Before what may stand at the beginning of a question as well as at its end."""

OWNERS = _words("""
my our your his her their
""")

STOP_WORDS: dict[str, frozenset[str]] = {
    "en": _words("""
the a an is are was do does did can how what why when where which who of to in on for and or with my i
"""),
    "de": _words("""
der die das ist sind ein eine wie was warum wann wo und oder mit ich kann nicht zu im auf für mein den
"""),
    "fr": _words("""
le la les est sont un une comment que quoi pourquoi quand où et ou avec je peux pas des du dans pour mon
"""),
    "es": _words("""
el la los las es son un una cómo como qué que por cuándo dónde y o con puedo no de del en para mi
"""),
    "it": _words("""
il lo la gli è sono un una come cosa perché quando dove e o con posso non di del in per mio che
"""),
    "pt": _words("""
o a os as é são um uma como que por quando onde e ou com posso não de do da em para meu
"""),
    "nl": _words("""
de het een is zijn hoe wat waarom wanneer waar en of met ik kan niet van in op voor mijn te
"""),
    "pl": _words("""
jak czy co to jest są nie na w do z się mogę kiedy gdzie dlaczego moje mój dla po od oraz ile
"""),
    "sv": _words("""
hur vad jag kan är det en ett och att för i på inte varför när var min mitt mina av om till med som
"""),
    "da": _words("""
hvordan hvad jeg kan er det en et og at for i på ikke hvorfor når hvor min mit mine af om til med som
"""),
    "tr": _words("""
nasıl ne bir ve bu için mi mı mu nerede neden ben benim değil ile var yok kadar daha çok
"""),
    "id": _words("""
bagaimana cara apa yang saya di ke dari dan ini itu untuk tidak bisa dengan akan atau berapa kapan mengapa
"""),
    "hi": _words("""
kya kaise kab kahan kyun hai hain mera meri mere nahi ka ki ke ko se aur hoga karna kare
"""),
    "ro": _words("""
cum ce unde de la este sunt nu pot un o și sau cu pentru din în meu mea care când
"""),
}  # fmt: skip

QUESTIONS = ("how", "why", "when", "where", "who", "whom", "whose", "what", "which")
HOW_MUCH = _words("""
many much long often far old big large tall fast deep high wide heavy hot cold soon likely
""")
VERBS_FIRST = _words("""
is are was were am do does did can could will would should shall may might must has have had isn't aren't doesn't
don't didn't can't couldn't won't wouldn't shouldn't
""")
