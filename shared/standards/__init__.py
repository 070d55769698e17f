"""Tables of ISO 286 and ISO 2768 as data, with the rules that read them; standard library only.

``tables`` loads them, ``iso286`` resolves tolerance grades and fits such as H7, ``iso2768`` looks
up general tolerances.
"""
