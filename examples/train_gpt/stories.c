/* stories.c -- see stories.h.
 *
 * A grammar of templates: {a|b|c} is a choice (they nest), $x a word of this story:
 *   $N hero      $s $S he/He   $o him   $h $H his/His       $F friend   $G girl/boy
 *   $P place     $A animal     $O thing  $C its color        $D food     $W weather    $M mom, dad or grandma
 * and $h_ $M_ the capitalized forms. */
#include "stories.h"

#include <string.h>

#include "rng64.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const char *const girls[] = {"Lily", "Anna", "Mia", "Sue", "Amy", "Lucy", "Emma", "Rose", "Kate", "Jane"};
static const char *const boys[] = {"Tom", "Ben", "Max", "Sam", "Tim", "Jack", "Leo", "Bob", "Dan", "Fred"};
static const char *const places[] = {"park", "garden", "forest", "beach", "farm", "river", "lake", "zoo", "hill", "market"};
static const char *const animals[] = {"dog", "cat", "bird", "rabbit", "duck", "frog", "pony", "mouse", "turtle", "fox"};
static const char *const things[] = {"ball", "kite", "hat", "boat", "book", "drum", "doll", "cup", "bike", "box", "balloon", "blanket"};
static const char *const colors[] = {"red", "blue", "green", "yellow", "pink", "brown", "purple", "white"};
static const char *const foods[] = {"apple pie", "chocolate cake", "warm soup", "fresh bread", "sweet berries", "ice cream", "banana bread", "hot milk"};
static const char *const weathers[] = {"sunny", "windy", "rainy", "cold", "warm", "cloudy"};

static const char *const openings[] = {
    "Once upon a time, there was a {little|small|kind|happy|brave|clever} $G named $N.",
    "Once upon a time, a {little|young|kind} $G named $N lived near {the|a big|an old} $P.",
    "One $W day, $N {woke up early|jumped out of bed|looked out of the window}.",
    "There once was a $G {called|named} $N who loved to {play|laugh|sing|run and jump|draw|explore}.",
    "Long ago, in a {small|quiet|pretty} town, there lived a {little|gentle|cheerful} $G named $N.",
    "$N was a {curious|happy|brave|silly|quiet} $G who {lived by the $P|had a $C $O|loved every $A}.",
};

/* Each plot is a row of sentences; NULL ends it. */
enum { PLOT_MAX = 9 };
static const char *const plots[][PLOT_MAX] = {
    { /* a thing is lost and found */
     "$S had a {new|shiny|lovely|soft} $C $O that $h $M gave $o.",
     "One {morning|afternoon}, the $O was gone, and $N {felt very sad|began to cry|did not know what to do}.",
     "$S looked {under the bed|behind the door|in the kitchen} and {on the table|near the tree|outside in the yard}, but it was not there.",
     "\"{Can you help me|Will you help me look}?\" $s asked $h friend $F.",
     "$F {smiled and said|nodded and said}, \"{Yes, let us look together|Of course I will help you}.\"",
     "They {walked|ran|went} to the $P and saw a {tiny|playful|sleepy} $A {sitting on|sleeping next to|hiding behind} the $O.",
     "{They both laughed|They were so happy|What a funny surprise}!", NULL},
    { /* an animal needs help */
     "{One day|One $W afternoon|After lunch}, $s went for a walk {by|to} the $P with $h $M.",
     "{Suddenly|All of a sudden|Then}, $s heard a {soft|small|strange} {sound|cry} {from a bush|behind a rock|under a bench}.",
     "It was a little $C $A, and it was {stuck|hurt|lost and afraid|cold and hungry}.",
     "\"{Poor thing|Do not be scared|Oh no}, {I will help you|we must do something},\" said $N.",
     "$S {gently picked it up|gave it some water|wrapped it in $h coat} and {took it home|held it close|kept it safe}.",
     "{Soon|The next day}, the $A {felt better|was strong again} and {licked $h hand|danced around the room}.",
     "{From that day on|After that}, they were {best friends|never apart}.", NULL},
    { /* sharing */
     "$S {went to|was playing at} the $P with $h {best|good} friend $F.",
     "$F wanted to {play with|hold|try} the $C $O, but $N {said no|did not want to share|pulled it away}.",
     "$F {walked away with tears|sat down alone} and {looked at the ground|did not speak}.",
     "$N {saw this and felt bad|thought about it for a while}.",
     "\"I am sorry, $F. {We can play with it together|You can have a turn now},\" $s said.",
     "$F {gave $o a big hug|smiled again|clapped with joy}, and they {played until dark|had so much fun}.",
     "$N {learned that sharing is kind|knew that friends are more important than toys}.", NULL},
    { /* baking */
     "$S {wanted to make|was going to cook} $D for $h $M.",
     "{First|To begin}, $s {washed $h hands|found a big bowl|put on an apron}.",
     "Then $F {came to the kitchen|knocked on the door} and {asked|said}, \"{May I help|Can I cook with you}?\"",
     "They mixed {flour and sugar|eggs and butter|milk and honey}, and {soon there was a big mess|it smelled very good}.",
     "$h_ $M {came home|walked in} and {laughed|was surprised}. \"{You made this for me|What a nice gift}!\"",
     "They sat at the table and {ate every bite|shared it all}.",
     "It was the {best|most delicious} {food|meal} in the whole {world|town}.", NULL},
    { /* weather spoils a plan */
     "$S wanted to fly a {kite|plane} {at|near} the $P, but {the sky turned dark|the rain came down|a storm was near}.",
     "\"{We have to stay inside|It is too wet to go out},\" said $h $M.",
     "$N was {sad|upset|angry} {for a moment|at first}, but then $s had a {great|clever|wonderful} idea.",
     "$S {found|took} a {big box|large blanket} and {made a castle|built a small house|turned it into a ship}.",
     "$F came over, and the two friends {sailed across the floor|became a king and a queen|told funny stories}.",
     "When the sun {came back|was shining again}, they did not {even notice|want to stop}.",
     "{It was a perfect day|What a great day it was}.", NULL},
    { /* learning a skill */
     "$S wanted to learn {how to swim|how to ride a bike|how to climb a tree|how to read}.",
     "{At first, it was very hard|The first time was not easy}, and $s {fell down|made many mistakes|wanted to give up}.",
     "\"{Keep trying|Do not worry|Try once more},\" said $h {friend|cousin} $F. \"{You can do it|I believe in you}!\"",
     "So $N {took a deep breath|closed $h eyes|stood up} and tried {again and again|one more time}.",
     "{Every day|Each morning}, $s {got a little better|practiced near the $P}.",
     "{At last|Finally}, $s {did it|could do it all alone}! {Everyone cheered|$H $M was very proud}.",
     "$F {jumped up and down|gave $o some $D} {to celebrate|because it was a special day}.", NULL},
    { /* a secret in the forest */
     "{One night|One evening}, $s saw a {bright|golden|strange} light {in the sky|near the $P|above the trees}.",
     "$S {called|went to find} $F, and they {followed it|walked quietly toward it} {hand in hand|with a small lamp}.",
     "There they met a {magic|talking|wise old} $A with {silver wings|a $C crown|big bright eyes}.",
     "\"{I can give you one wish|Make a wish},\" said the $A {with a smile|in a soft voice}.",
     "$N {thought carefully|did not wait}. \"{I wish for everyone to be happy|I want $F to have a $O}.\"",
     "The stars {began to shine|danced in the dark}, and the wish came true.",
     "They {never forgot|always remembered} that {magic|wonderful} night.", NULL},
    { /* fear of the dark or of a noise */
     "{At night|When it was dark}, $s heard a loud noise {outside the window|from the roof|under the stairs}.",
     "$N {was afraid|felt scared|could not sleep}, so $s called $h $M.",
     "\"{What is wrong|What happened}, {my dear|sweetheart}?\" $M_ asked.",
     "They {took a light|opened the door slowly} and looked {around|everywhere}.",
     "It was only a {small|fat|silly} $A that {wanted some $D|was looking for food|was playing with a $O}!",
     "$N {laughed out loud|was not afraid anymore} and gave it {a name|something to eat}.",
     "{Then everyone went back to bed|After that, the night was quiet}.", NULL},
};

static const char *const endings[] = {
    "$N went {home|to bed} with a {big|warm} smile.",
    "{That night|In the evening}, $s {told $h $M all about it|dreamed of the $P}.",
    "And they {all lived happily ever after|were friends forever}.",
    "{The end.|It was a day to remember.}",
    "$N and $F {waved goodbye|promised to meet again tomorrow}.",
    "\"{I love you|Thank you for everything},\" {said $N|$N said softly}.",
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
        if (capital) put(w, c->parent[0] == 'm' ? "Mom" : c->parent[0] == 'd' ? "Dad" : "Grandma");
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
    static const char *const parents[] = {"mom", "dad", "grandma"};
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
