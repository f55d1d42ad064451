/* font.c -- see font.h.  Invariants: everything below is reached with the lock held; a glyph that was handed out stays
 * until the lock is given back (the cache is emptied only when the lock is taken); FreeType's handles live as long as
 * the process, since charts are drawn until its end and an unload order does not exist. */
#include "viz/font.h"
#include "include/internal/buffer.h"
#include "viz/font_builtin.h"

#include <ft2build.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include FT_FREETYPE_H

enum { CACHE_SLOTS = 8192, CACHE_TRIM = 3000, CACHE_FULL = 7000, N_BUILTIN = (int)(sizeof builtin_glyphs / sizeof builtin_glyphs[0]) };

/* In the order in which a code point is looked for.  Unifont's own size is 16 pixels, 8 or 16 wide. */
enum { FILE_MONO, FILE_BOLD, FILE_UNIFONT, FILE_UPPER, FILES };
static const char *const file_names[FILES] = {
    "truetype/dejavu/DejaVuSansMono.ttf",
    "truetype/dejavu/DejaVuSansMono-Bold.ttf",
    "opentype/unifont/unifont.otf",
    "opentype/unifont/unifont_upper.otf",
};
static const int face_pixels[FONT_FACES] = {13, 13, 11};
static const int face_cells[FONT_FACES] = {8, 8, 7};

typedef struct slot {
    uint32_t key; /* 1 + code point, face in the upper bits; 0 = free */
    font_glyph glyph;
    uint8_t *owned;
} slot;

static struct {
    pthread_mutex_t lock;
    bool ready;
    FT_Library library;
    FT_Face files[FILES];
    int pixels[FILES]; /* the size each file is set to now */
    slot *slots;
    int n_slots;
    uint8_t builtin_cover[N_BUILTIN][BUILTIN_HEIGHT * BUILTIN_WIDTH];
    font_glyph builtin[N_BUILTIN];
} fonts = {.lock = PTHREAD_MUTEX_INITIALIZER};

int font_cell(font_face face) { return face_cells[face]; }

static FT_Face open_at(const char *dir, const char *name) {
    char path[4096];
    FT_Face face = NULL;
    int n = c_snprintf(path, sizeof path, "%s/%s", dir, name);
    if (n <= 0 || (size_t)n >= sizeof path || FT_New_Face(fonts.library, path, 0, &face)) return NULL;
    if (FT_IS_SCALABLE(face)) return face;
    FT_Done_Face(face);
    return NULL;
}

/* Under `dir` with Debian's folders, without them, or with Unifont's other format. */
static FT_Face open_under(const char *dir, const char *name) {
    const char *base = strrchr(name, '/') + 1;
    FT_Face face = open_at(dir, name);
    if (!face) face = open_at(dir, base);
    if (!face && strncmp(base, "unifont", 7) == 0) {
        char other[64];
        c_snprintf(other, sizeof other, "truetype/unifont/%.*s.ttf", (int)(strlen(base) - 4), base);
        face = open_at(dir, other);
        if (!face) face = open_at(dir, strrchr(other, '/') + 1);
    }
    return face;
}

static FT_Face find_file(const char *name) {
    static const char *const usual[] = {"/usr/share/fonts", "/usr/local/share/fonts"};
    const char *asked = getenv("GLIMPSE_FONT_DIR");
    FT_Face face = NULL;
    if (asked && strcmp(asked, "none") == 0) return NULL;
    if (asked && *asked) face = open_under(asked, name);
    for (size_t i = 0; !face && i < sizeof usual / sizeof usual[0]; i++) face = open_under(usual[i], name);
#ifdef GLIMPSE_DEPS_DIR /* the build unpacked its packages without root */
    if (!face) face = open_under(GLIMPSE_DEPS_DIR "/share/fonts", name);
#endif
    return face;
}

static void prepare(void) {
    fonts.ready = true;
    for (int i = 0; i < N_BUILTIN; i++) {
        uint8_t *cover = fonts.builtin_cover[i];
        for (int y = 0; y < BUILTIN_HEIGHT; y++)
            for (int x = 0; x < BUILTIN_WIDTH; x++)
                cover[y * BUILTIN_WIDTH + x] = (builtin_glyphs[i].rows[y] & (0x80 >> x)) ? 255 : 0;
        fonts.builtin[i] = (font_glyph){BUILTIN_WIDTH, BUILTIN_HEIGHT, 0, BUILTIN_BASELINE, 1, true, cover};
    }
    fonts.slots = calloc(CACHE_SLOTS, sizeof *fonts.slots);
    if (!fonts.slots || FT_Init_FreeType(&fonts.library)) return;
    for (int i = 0; i < FILES; i++) fonts.files[i] = find_file(file_names[i]);
}

static void empty_cache(void) {
    for (int i = 0; i < CACHE_SLOTS; i++) free(fonts.slots[i].owned);
    memset(fonts.slots, 0, CACHE_SLOTS * sizeof *fonts.slots);
    fonts.n_slots = 0;
}

void font_lock(void) {
    pthread_mutex_lock(&fonts.lock);
    if (!fonts.ready) prepare();
    if (fonts.n_slots > CACHE_TRIM) empty_cache(); /* a hostile vocabulary: bounded memory, the same pictures */
}

void font_unlock(void) { pthread_mutex_unlock(&fonts.lock); }

static const font_glyph *builtin_find(uint32_t cp) {
    int low = 0, high = N_BUILTIN;
    while (low < high) {
        int mid = (low + high) / 2;
        if (builtin_glyphs[mid].code_point < cp) low = mid + 1;
        else high = mid;
    }
    return low < N_BUILTIN && builtin_glyphs[low].code_point == cp ? &fonts.builtin[low] : NULL;
}

/* The bitmap of cp from one file; false: the file lacks it, or FreeType failed, or it has no ink where it should. */
static bool from_file(int file, int pixels, int cell, uint32_t cp, slot *s) {
    FT_Face face = fonts.files[file];
    if (!face) return false;
    FT_UInt index = FT_Get_Char_Index(face, cp);
    if (!index) return false;
    if (fonts.pixels[file] != pixels) {
        fonts.pixels[file] = 0;
        if (FT_Set_Pixel_Sizes(face, 0, (FT_UInt)pixels)) return false;
        fonts.pixels[file] = pixels;
    }
    if (FT_Load_Glyph(face, index, FT_LOAD_RENDER | FT_LOAD_NO_BITMAP)) return false;
    const FT_GlyphSlot g = face->glyph;
    const FT_Bitmap *b = &g->bitmap;
    if (b->pixel_mode != FT_PIXEL_MODE_GRAY || b->width > 64 || b->rows > 64) return false;
    int width = utf8proc_charwidth((utf8proc_int32_t)cp);
    if ((b->width == 0 || b->rows == 0) && width > 0 && utf8proc_category((utf8proc_int32_t)cp) != UTF8PROC_CATEGORY_ZS)
        return false;
    size_t n = (size_t)b->width * b->rows;
    uint8_t *cover = malloc(n ? n : 1);
    if (!cover) return false;
    for (unsigned y = 0; y < b->rows; y++) memcpy(cover + (size_t)y * b->width, b->buffer + (ptrdiff_t)y * b->pitch, b->width);
    int left = g->bitmap_left, cells = width > 1 ? 2 : width;
    if (width > 0 && left + (int)b->width > cell + 2) cells = 2; /* Unifont draws many scripts 16 pixels wide */
    if (width == 0 && left + (int)b->width <= 0) left += (cell - 1 - left) / cell * cell; /* a mark placed before the pen */
    s->owned = cover;
    s->glyph = (font_glyph){(int16_t)b->width, (int16_t)b->rows, (int16_t)left, (int16_t)g->bitmap_top, (int16_t)cells, true, cover};
    return true;
}

/* Two cells wide, the digits three by five pixels each in two rows: 4 digits, or 6 above U+FFFF. */
static bool from_digits(int cell, uint32_t cp, slot *s) {
    static const uint16_t digits[16] = {075557, 026227, 071747, 071717, 055711, 074717, 074757, 071111,
                                        075757, 075717, 025755, 065656, 034443, 065556, 074747, 074744};
    const int per_row = cp > 0xffff ? 3 : 2, w = 2 * cell - 1, h = 14;
    uint8_t *cover = calloc((size_t)w * (size_t)h, 1);
    if (!cover) return false;
    for (int x = 0; x < w; x++) cover[x] = cover[(h - 1) * w + x] = 150;
    for (int y = 0; y < h; y++) cover[y * w] = cover[y * w + w - 1] = 150;
    const int gap = per_row == 3 ? 1 : 2, x0 = (w - (3 * per_row + gap * (per_row - 1))) / 2;
    for (int i = 0; i < 2 * per_row; i++) {
        unsigned bits = digits[(cp >> (4 * (2 * per_row - 1 - i))) & 15];
        int px = x0 + (i % per_row) * (3 + gap), py = 1 + (i / per_row) * 6;
        for (int y = 0; y < 5; y++)
            for (int x = 0; x < 3; x++)
                if (bits >> (14 - 3 * y - x) & 1) cover[(py + y + 1) * w + px + x] = 255;
    }
    s->owned = cover;
    s->glyph = (font_glyph){(int16_t)w, (int16_t)h, 0, 11, 2, false, cover};
    return true;
}

const font_glyph *font_find(font_face face, uint32_t cp) {
    const font_glyph *builtin = builtin_find(cp), *last = builtin ? builtin : builtin_find('?');
    if (!fonts.slots) return last;
    const uint32_t key = ((uint32_t)face << 22 | (cp & 0x1fffff)) + 1;
    uint32_t at = key * 2654435761u >> 19;
    for (; fonts.slots[at].key; at = (at + 1) % CACHE_SLOTS)
        if (fonts.slots[at].key == key) return &fonts.slots[at].glyph;
    if (fonts.n_slots >= CACHE_FULL) return last;
    slot s = {.key = key};
    const int cell = face_cells[face], pixels = face_pixels[face], wide = 2 * cell;
    if (cp == 0x27e8 || cp == 0x27e9) return last; /* font_builtin.h says why */
    bool found = face == FONT_BOLD && from_file(FILE_BOLD, pixels, cell, cp, &s);
    if (!found) found = from_file(FILE_MONO, pixels, cell, cp, &s);
    if (!found && builtin) return builtin;
    if (!found) found = from_file(FILE_UNIFONT, wide, cell, cp, &s) || from_file(FILE_UPPER, wide, cell, cp, &s);
    if (!found) found = from_digits(cell, cp, &s);
    if (!found) return last;
    fonts.slots[at] = s;
    fonts.n_slots++;
    return &fonts.slots[at].glyph;
}
