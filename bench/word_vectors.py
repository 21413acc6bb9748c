"""Trains word vectors with reel (examples/word_vectors) and with gensim on one text, in turn: how fast, and how good.

    apt-get download dict-gcide && dpkg -x dict-gcide_*.deb .       # or apt-get install dict-gcide: /usr/share/dictd
    pip install gensim
    cmake --build --preset release
    python3 bench/word_vectors.py FOLDER DICTIONARY [SEEDS [EPOCHS [THREADS]]]

DICTIONARY is gcide.dict.dz, the GNU Collaborative International Dictionary of English (GPL 2 or later): 5.2 million words,
a paragraph of which is a sentence here, in small letters and without the marks of where it comes from. Both train skip-gram
with 100 numbers a word, windows of up to 5, 5 negative samples, words that occur 5 times, subsampling at 1e-3, and a learning
rate that falls from 0.025 to 0.0001; gensim reads the text in its C routine (corpus_file), without Python between. Scores are
Spearman's correlation with the judgements of wordsim353.tsv, which gensim ships, computed by gensim for both.
"""

import gzip
import os
import re
import statistics
import subprocess
import sys
import time

from gensim.models import KeyedVectors, Word2Vec
from gensim.test.utils import datapath

FOLDER, DICTIONARY = sys.argv[1:3]
SEEDS, EPOCHS, THREADS = (int(sys.argv[3 + i]) if len(sys.argv) > 3 + i else n for i, n in enumerate((5, 5, 1)))
TEXT, PROGRAM, VECTORS = (os.path.join(FOLDER, name) for name in ("text", "word_vectors", "vectors"))


def write_text():
    with gzip.open(DICTIONARY, "rt", encoding="utf-8", errors="replace") as file:
        text = file.read()
    source = re.compile(r"\[[^\]\n]*(?:Webster|WordNet|PJC|Suppl|Century|Funk|Kirk)[^\]\n]*\]")
    paragraphs = (re.findall("[a-z]+", p.lower()) for p in re.split(r"\n\s*\n", source.sub(" ", text)))
    with open(TEXT, "w") as file:
        file.writelines(" ".join(words) + "\n" for words in paragraphs if words)


def score(vectors):
    return vectors.evaluate_word_pairs(datapath("wordsim353.tsv"))[1].statistic


def reel(seed):
    """Seconds by the clock, of processors, and the score."""
    command = [PROGRAM, "-o", VECTORS, "-s", str(seed), "-e", str(EPOCHS), "-t", str(THREADS), TEXT]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    clock, processor = re.search(r"^([0-9.]+) s, ([0-9.]+) s of a processor$", said, re.MULTILINE).groups()
    return float(clock), float(processor), score(KeyedVectors.load_word2vec_format(VECTORS))


def gensim(seed):
    model = Word2Vec(vector_size=100, window=5, negative=5, sample=1e-3, min_count=5, sg=1, seed=seed, workers=THREADS)
    model.build_vocab(corpus_file=TEXT)
    clock, processor = time.time(), time.process_time()
    model.train(
        corpus_file=TEXT,
        total_examples=model.corpus_count,
        total_words=model.corpus_total_words,
        epochs=EPOCHS,
    )
    return time.time() - clock, time.process_time() - processor, score(model.wv)


os.makedirs(FOLDER, exist_ok=True)
if not os.path.exists(TEXT):
    write_text()
with open(TEXT) as file:
    words = sum(len(line.split()) for line in file)
build = "-Iinclude -Lbuild/release -lreel -lm -Wl,-rpath," + os.path.abspath("build/release")
subprocess.run(
    ["cc", "-O2", "examples/word_vectors/word_vectors.c", "-o", PROGRAM, *build.split()],
    check=True,
)

print(f"{words} words, {EPOCHS} epochs, {THREADS} threads; thousand words a second by the clock, of a processor; score")
runs = {reel: [], gensim: []}
for seed in range(1, SEEDS + 1):
    for contestant, results in runs.items():
        clock, processor, similarity = contestant(seed)
        thousands = words * EPOCHS / 1000
        results.append((thousands / clock, thousands / processor, similarity))
        print(f"{contestant.__name__:7} seed {seed} {results[-1][0]:7.0f} {results[-1][1]:7.0f} {similarity:7.4f}", flush=True)
for contestant, results in runs.items():
    clock, processor, scores = zip(*results)
    spread = statistics.stdev(scores) if SEEDS > 1 else 0
    print(
        f"{contestant.__name__:7} medians {statistics.median(clock):.0f} and {statistics.median(processor):.0f},"
        f" mean score {statistics.mean(scores):.4f}, standard deviation {spread:.4f}"
    )
