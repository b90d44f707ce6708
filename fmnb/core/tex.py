r"""Which TeX from a model may be typeset: only mathematics, by an allow list.

Every command and environment must be known. Links, styles, ids, moving boxes, definitions, files
and TeX's notation for characters (`^^5c`) are not on the list, so they reach neither the
typesetter of a page nor a TeX program that makes a PDF.
"""

from __future__ import annotations

import re

BREAK = "\u200b"  # zero-width space: after it, `\` begins no command
_LONGEST = 20_000  # characters of one formula
_TOKEN = re.compile(r"\\([A-Za-z]+\*?|.|$)", re.S)
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{([A-Za-z]+\*?)\}")
_COMMAND = re.compile(r"\\(?=[A-Za-z@])")

COMMANDS = frozenset(
    """
alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa varkappa lambda mu nu xi omicron pi varpi rho varrho sigma
varsigma tau upsilon phi varphi chi psi omega digamma Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega varGamma varDelta varTheta
varLambda varXi varPi varSigma varUpsilon varPhi varPsi varOmega aleph beth gimel daleth hbar hslash ell wp Re Im imath jmath partial nabla
infty emptyset varnothing forall exists nexists neg lnot top bot angle measuredangle sphericalangle triangle square Box blacksquare diamond
Diamond lozenge blacklozenge clubsuit diamondsuit heartsuit spadesuit flat natural sharp prime backprime surd degree checkmark complement eth
mho Bbbk bigstar star ast dagger ddagger
frac dfrac tfrac cfrac binom dbinom tbinom genfrac sqrt root of over choose atop
sum prod coprod int iint iiint iiiint oint oiint bigcup bigcap bigsqcup bigvee bigwedge bigodot bigotimes bigoplus biguplus intop smallint
lim limsup liminf sup inf max min sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan arg deg det dim exp gcd hom ker lg ln log
Pr injlim projlim varlimsup varliminf varinjlim varprojlim operatorname operatorname* mod bmod pmod pod limits nolimits displaylimits
plus pm mp times div cdot cdotp circ bullet cap cup uplus sqcap sqcup vee wedge land lor setminus smallsetminus wr amalg oplus ominus otimes
oslash odot bigcirc dotplus ltimes rtimes leftthreetimes rightthreetimes boxplus boxminus boxtimes boxdot barwedge veebar curlyvee curlywedge
intercal divideontimes Cap Cup doublecap doublecup centerdot bigtriangleup bigtriangledown triangleleft triangleright unlhd unrhd lhd rhd
leq le geq ge neq ne lt gt ll gg lll ggg equiv sim simeq cong approx approxeq propto varpropto asymp doteq doteqdot models vdash dashv Vdash
vDash Vvdash nvdash nvDash perp parallel nparallel mid nmid smile frown bowtie in notin ni owns subset supset subseteq supseteq subsetneq
supsetneq subseteqq supseteqq nsubseteq nsupseteq sqsubset sqsupset sqsubseteq sqsupseteq prec succ preceq succeq preccurlyeq succcurlyeq
precsim succsim leqslant geqslant leqq geqq lesssim gtrsim lessgtr gtrless lessdot gtrdot nless ngtr nleq ngeq nsim ncong nprec nsucc lneq
gneq lneqq gneqq lnsim gnsim trianglelefteq trianglerighteq ntriangleleft ntriangleright vartriangle vartriangleleft vartriangleright
therefore because triangleq circeq bumpeq Bumpeq eqcirc backsim backsimeq between pitchfork risingdotseq fallingdotseq not
to gets leftarrow rightarrow Leftarrow Rightarrow leftrightarrow Leftrightarrow uparrow downarrow Uparrow Downarrow updownarrow Updownarrow
longleftarrow longrightarrow Longleftarrow Longrightarrow longleftrightarrow Longleftrightarrow iff implies impliedby mapsto longmapsto
hookleftarrow hookrightarrow leftharpoonup leftharpoondown rightharpoonup rightharpoondown rightleftharpoons leftrightharpoons nearrow
searrow swarrow nwarrow leadsto rightsquigarrow leftrightsquigarrow curvearrowleft curvearrowright circlearrowleft circlearrowright
twoheadleftarrow twoheadrightarrow leftarrowtail rightarrowtail leftleftarrows rightrightarrows upuparrows downdownarrows leftrightarrows
rightleftarrows nleftarrow nrightarrow nLeftarrow nRightarrow nleftrightarrow nLeftrightarrow dashrightarrow dashleftarrow multimap
upharpoonleft upharpoonright downharpoonleft downharpoonright restriction Lsh Rsh looparrowleft looparrowright xleftarrow xrightarrow
hat widehat bar overline underline tilde widetilde vec dot ddot dddot ddddot acute grave breve check mathring overrightarrow overleftarrow
overleftrightarrow underrightarrow underleftarrow overbrace underbrace overset underset stackrel substack sideset boxed cancel bcancel xcancel
mathrm mathbf mathit mathsf mathtt mathcal mathscr mathfrak mathbb mathnormal boldsymbol bm pmb rm bf it sf tt cal text textrm textbf
textit textsf texttt textnormal mbox mathop mathbin mathrel mathord mathopen mathclose mathpunct mathinner mathstrut
left right middle big Big bigg Bigg bigl bigr bigm Bigl Bigr Bigm biggl biggr biggm Biggl Biggr Biggm langle rangle lvert rvert lVert rVert
vert Vert lfloor rfloor lceil rceil lgroup rgroup lmoustache rmoustache ulcorner urcorner llcorner lrcorner lbrace rbrace lbrack rbrack
backslash arrowvert Arrowvert bracevert
ldots cdots vdots ddots dots dotsc dotsb dotsm dotsi dotso colon coloneqq eqqcolon vcentcolon
quad qquad enspace thinspace medspace thickspace negthinspace negmedspace negthickspace space nobreakspace
displaystyle textstyle scriptstyle scriptscriptstyle begin end hline hdashline cr notag nonumber phantom hphantom vphantom
""".split()
)
_SYMBOLS = frozenset("\\,;:!> {}|_%&#$-/'`^~=.\"\n")
ENVIRONMENTS = frozenset(
    "matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix array subarray cases rcases aligned alignedat gathered split equation equation* "
    "align align* alignat alignat* flalign flalign* gather gather* multline multline* eqnarray eqnarray*".split()
)


def safe_formula(formula: str) -> bool:
    r"""Whether a formula, including its delimiters, contains only allowed mathematics.

    >>> safe_formula(r"$\frac{a}{b}$"), safe_formula(r"$\href{https://example.org}{x}$"), safe_formula(r"$^^5cinput{x}$")
    (True, False, False)
    """
    inner = _bare(formula)
    if inner is None or len(inner) > _LONGEST or "^^" in inner or "$" in inner.replace("\\$", "") or "%" in inner.replace("\\%", ""):
        return False
    named = _ENVIRONMENT.findall(inner)
    if any(n not in ENVIRONMENTS for n in named) or len(named) != len(re.findall(r"\\(?:begin|end)(?![A-Za-z])", inner)):
        return False
    return all(m[1] in COMMANDS or m[1] in _SYMBOLS or m[1].rstrip("*") in COMMANDS for m in _TOKEN.finditer(inner))


def _bare(formula: str) -> str | None:
    """The formula without its delimiters; None if they do not pair."""
    for opening, closing in (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$")):
        if formula.startswith(opening) and formula.endswith(closing) and len(formula) > len(opening) + len(closing):
            return formula[len(opening) : -len(closing)]
    return None


def break_formula(text: str) -> str:
    r"""Defuse TeX commands and notation in a text; it looks unchanged.

    >>> break_formula(r"\input{x} ^^5c").replace("\u200b", "|")
    '\\|input{x} ^|^5c'
    """
    return _COMMAND.sub("\\\\" + BREAK, text).replace("^^", f"^{BREAK}^")
