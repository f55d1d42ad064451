/* stories.c -- see stories.h.
 *
 * A grammar of templates: {a|b|c} is a choice (they nest), $x a word of this story:
 *   $N hero      $s $S he/He   $o him   $h $H his/His       $F friend   $G girl/boy
 *   $P place     $A animal     $O thing  $C its color        $D food     $W weather    $M mom or dad
 * and $h_ $M_ the capitalized forms. */
#include "examples/train_gpt/stories.h"

#include <string.h>

#include "examples/train_gpt/rng64.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const char *const girls[] = {"Lily", "Anna", "Mia", "Sue", "Lucy", "Rose"};
static const char *const boys[] = {"Tom", "Ben", "Max", "Sam", "Tim", "Jack"};
static const char *const places[] = {"park", "garden", "forest", "farm", "river", "lake"};
static const char *const animals[] = {"dog", "cat", "bird", "rabbit", "duck", "frog"};
static const char *const things[] = {"ball", "kite", "hat", "boat", "book", "doll"};
static const char *const colors[] = {"red", "blue", "green", "yellow", "white"};
static const char *const foods[] = {"cake", "soup", "bread", "milk"};
static const char *const weathers[] = {"sunny", "windy", "rainy", "cold"};

static const char *const openings[] = {
    "Once upon a time, there was a {little|kind|happy} $G named $N.",
    "Once upon a time, a little $G named $N lived near the $P.",
    "One $W day, $N woke up early.",
    "There was a $G named $N who loved to {play|sing|run}.",
};

/* Each plot is a row of sentences; NULL ends it. */
enum { PLOT_MAX = 5 };
static const char *const plots[][PLOT_MAX] = {
    /* a thing is lost and found */
    {"$S could not find $h $C $O.", "\"Can you help me?\" $s asked $F.",
     "They {looked under the bed|went to the $P} and saw a $A {sitting on|hiding behind} it!", NULL},
    /* an animal needs help */
    {"$S {went to the $P|was walking by the $P} with $h $M.", "There they saw a little $C $A, and it was {hurt|lost|hungry}.",
     "$N {took it home|gave it some $D}, and soon it felt better.", NULL},
    /* sharing */
    {"$S was at the $P with $h friend $F.", "$F wanted to {play with|hold} the $C $O, but $N said no.",
     "Then $N felt bad. \"I am sorry,\" $s said, and they {played together|were friends again}.", NULL},
    /* cooking */
    {"$S wanted to make $D for $h $M.", "$F came to {help|the kitchen} and they made a big mess.",
     "$h_ $M laughed and said, \"{Thank you|This is very good}!\"", NULL},
    /* a plan is spoiled */
    {"$S wanted to play at the $P, but it was too {wet|cold|dark}.", "\"Stay inside,\" said $h $M.",
     "So $N and $F {read a book|made a big house from a box} and had fun.", NULL},
    /* a wish */
    {"$S saw a light {near the $P|in the sky}.", "There $s met a {talking|magic} $A with a $C hat.",
     "\"Make a wish,\" it said. $N wanted {a new $O|everyone to be happy}, and the wish came true.", NULL},
    /* a noise */
    {"At night, $s heard a loud noise {from the door|outside}.", "$N was {afraid|scared} and called $h $M.",
     "But it was only a {small|silly} $A that was looking for {food|some $D}!", NULL},
};

static const char *const endings[] = {
    "$N went {home|to bed} with a big smile.",
    "They were {happy|best friends} forever.",
    "It was a {good|great} day.",
    "The end.",
};

typedef struct cast {
    const char *name, *friend_name, *place, *animal, *thing, *color, *food, *weather, *parent;
    int girl, friend_girl;
} cast;

typedef struct writer {
    char *out;
    size_t at;
    uint64_t *rng;
    const cast *who;
} writer;

static void put(writer *w, const char *text) {
    size_t n = strlen(text);
    if (w->at + n >= STORY_MAX) return;
    memcpy(w->out + w->at, text, n + 1);
    w->at += n;
}

/* The word for one letter after '$'; the two forms with '_' open a sentence. */
static void put_word(writer *w, const char **p) {
    const cast *c = w->who;
    char letter = *(*p)++;
    int capital = **p == '_';
    if (capital) (*p)++;
    switch (letter) {
    case 'N': put(w, c->name); break;
    case 'F': put(w, c->friend_name); break;
    case 'G': put(w, c->girl ? "girl" : "boy"); break;
    case 's': put(w, c->girl ? "she" : "he"); break;
    case 'S': put(w, c->girl ? "She" : "He"); break;
    case 'o': put(w, c->girl ? "her" : "him"); break;
    case 'h': put(w, c->girl ? (capital ? "Her" : "her") : (capital ? "His" : "his")); break;
    case 'H': put(w, c->girl ? "Her" : "His"); break;
    case 'P': put(w, c->place); break;
    case 'A': put(w, c->animal); break;
    case 'O': put(w, c->thing); break;
    case 'C': put(w, c->color); break;
    case 'D': put(w, c->food); break;
    case 'W': put(w, c->weather); break;
    case 'M':
        if (capital) put(w, c->parent[0] == 'm' ? "Mom" : "Dad");
        else put(w, c->parent);
        break;
    default: break;
    }
}

/* Skip to the '|' or '}' that ends the alternative at p, past nested braces. */
static const char *skip_alternative(const char *p) {
    for (int depth = 0; *p; p++) {
        if (*p == '{') depth++;
        if (*p == '}' && depth-- == 0) return p;
        if (*p == '|' && depth == 0) return p;
    }
    return p;
}

/* Write the template from p to its end or to the '|' or '}' of the choice it stands in; returns where it stopped. */
static const char *expand(writer *w, const char *p) {
    while (*p && *p != '|' && *p != '}') {
        if (*p == '$') {
            p++;
            put_word(w, &p);
        } else if (*p == '{') {
            uint32_t ways = 1;
            for (const char *q = skip_alternative(p + 1); *q == '|'; q = skip_alternative(q + 1)) ways++;
            uint32_t pick = rng64_below(w->rng, ways);
            const char *q = p + 1;
            for (uint32_t i = 0; i < pick; i++) q = skip_alternative(q) + 1;
            p = expand(w, q);
            while (*p == '|') p = skip_alternative(p + 1);
            if (*p) p++;
        } else {
            char one[2] = {*p++, 0};
            put(w, one);
        }
    }
    return p;
}

#define PICK(list) list[rng64_below(rng, COUNT(list))]

size_t story_write(char out[STORY_MAX], uint64_t *rng) {
    static const char *const parents[] = {"mom", "dad"};
    cast c = {.place = PICK(places), .animal = PICK(animals), .thing = PICK(things), .color = PICK(colors),
              .food = PICK(foods), .weather = PICK(weathers), .parent = PICK(parents)};
    c.girl = (int)rng64_below(rng, 2);
    c.friend_girl = (int)rng64_below(rng, 2);
    c.name = c.girl ? PICK(girls) : PICK(boys);
    do c.friend_name = c.friend_girl ? PICK(girls) : PICK(boys);
    while (c.friend_name == c.name);
    writer w = {.out = out, .rng = rng, .who = &c};
    out[0] = 0;
    expand(&w, PICK(openings));
    const char *const *plot = plots[rng64_below(rng, COUNT(plots))];
    for (int i = 0; plot[i]; i++) {
        put(&w, " ");
        expand(&w, plot[i]);
    }
    put(&w, " ");
    expand(&w, PICK(endings));
    return w.at;
}
