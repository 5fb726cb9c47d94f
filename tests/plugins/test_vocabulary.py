"""The vocabulary: closed, but for words of other distributions, and each word has a meaning."""

from __future__ import annotations

from radfield_core.plugin import KINDS, component
from radfield_core.plugins.vocabulary import VOCABULARY, WORDS, vocabulary_faults


def test_the_vocabulary_is_closed_but_for_namespaced_words():
    def faults(kind, provides=(), **requires):
        return vocabulary_faults(
            component(kind, "x", impl="m:A", config="m:B", summary="", provides=provides, requires=requires)
        )

    for kind, words in VOCABULARY.items():
        assert faults(kind, words) == []
    assert faults("encoding", ["acme.fisheye"], field=["acme.a|sdf"]) == []
    (fault,) = faults("encoding", ["sdf"])
    assert "provides unknown capability 'sdf'" in fault and "'yourname.word'" in fault
    assert faults("field", ["dencity"]) == ["provides unknown capability 'dencity'; did you mean 'density'?"]
    assert "requires of its field unknown capability" in faults("sampler", field=["points|gausians"])[0]
    assert faults("field", ["."]) != [] and faults("field", [".sdf"]) != []


def test_every_kind_has_a_vocabulary_and_every_word_a_meaning():
    assert VOCABULARY.keys() == set(KINDS)
    assert all(meaning for words in VOCABULARY.values() for meaning in words.values())
    assert {word for words in VOCABULARY.values() for word in words} == WORDS
