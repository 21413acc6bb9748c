/* Files that are nearly right are accepted or refused as Python does it, and read as Python reads them.
 *
 *   mutants                     compares with the verdicts in golden/mutants.h
 *   mutants --print FORMAT      writes the files, each after its size in four bytes, for tests/golden/mutants.py */
#include "reliability/mutants.h"

#include "golden/mutants.h"
#include "support/check.h"
#include "support/memory_file.h"

#include <reel/reel.h>

#include <math.h>
#include <string.h>
#include <zlib.h>

/* A verdict is a character: what the file holds, in one of 64, or one of these. */
enum { REFUSED = '.', UNKNOWN_TYPE = '*' };
static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static char letter(uint32_t sum)
{
    return letters[sum % 64];
}

static uint32_t add_text(uint32_t sum, const char *text)
{
    return (uint32_t)crc32(sum, (const unsigned char *)text, (unsigned)strlen(text) + 1);
}

/* What is known of the tensors, in the order of their names; `error` is why not. */
static char judge_safetensors(reel_context *c, const char *path, const char **error)
{
    *error = "";
    reel_safetensors *file = reel_safetensors_open(c, path);
    if (!file) {
        *error = reel_error(c);
        return REFUSED;
    }
    uint32_t sum = 0;
    const reel_tensor_info *last = NULL;
    for (int64_t n = 0; n < reel_safetensors_count(file); n++) {
        const reel_tensor_info *first = NULL;
        for (int64_t i = 0; i < reel_safetensors_count(file); i++) {
            const reel_tensor_info *info = reel_safetensors_at(file, i);
            if ((!last || strcmp(info->name, last->name) > 0) && (!first || strcmp(info->name, first->name) < 0))
                first = info;
        }
        CHECK(first, "a name is there twice");
        sum = add_text(add_text(sum, first->name), first->dtype);
        for (int i = 0; i < first->shape.ndim; i++) {
            char size[24];
            snprintf(size, sizeof size, "%lld", (long long)first->shape.dim[i]);
            sum = add_text(sum, size);
        }
        last = first;
    }
    reel_safetensors_close(file);
    return letter(sum);
}

/* Name, type, shape and elements of each array in the order of the file. */
static char judge_npy(reel_context *c, const char *path, const char **error)
{
    *error = "";
    reel_npy *file = reel_npy_open(c, path);
    uint32_t sum = 0;
    for (int64_t i = 0; i < reel_npy_count(file); i++) {
        static int64_t out[MUTANT_ROOM];
        const reel_tensor_info *info = reel_npy_at(file, i);
        sum = add_text(add_text(sum, info->name), info->dtype);
        for (int k = 0; k < info->shape.ndim; k++) {
            char size[24];
            snprintf(size, sizeof size, "%lld", (long long)info->shape.dim[k]);
            sum = add_text(sum, size);
        }
        /* Elements of types that can be read have their bytes in the file. */
        char kind = *info->dtype;
        reel_dtype dtype = strcmp(info->dtype, "BOOL") == 0  ? REEL_BOOL
                           : strcmp(info->dtype, "I32") == 0 ? REEL_INT32
                           : kind == 'F' || kind == 'B'      ? REEL_REAL
                                                             : REEL_INT64;
        if (reel_npy_read(file, info->name, dtype, out, info->numel) == REEL_OK)
            sum = (uint32_t)crc32(sum, (const unsigned char *)out,
                                  (unsigned)((size_t)info->numel * reel_dtype_size(dtype)));
    }
    reel_npy_close(file);
    *error = reel_error(c);
    return reel_context_status(c) == REEL_OK ? letter(sum) : REFUSED;
}

static char judge_idx(reel_context *c, const char *path, const char **error)
{
    *error = "";
    reel_idx *file = reel_idx_open(c, path);
    if (!file) {
        *error = reel_error(c);
        return REFUSED;
    }
    reel_shape shape = reel_idx_shape(file);
    uint32_t sum = 0;
    for (int i = 0; i < shape.ndim; i++) {
        char size[24];
        snprintf(size, sizeof size, "%lld", (long long)shape.dim[i]);
        sum = add_text(sum, size);
    }
    sum = (uint32_t)crc32(sum, reel_idx_bytes(file), (unsigned)reel_shape_numel(&shape));
    reel_idx_close(file);
    return letter(sum);
}

/* There is one kind of NaN. */
static uint32_t add_real(uint32_t sum, reel_real x)
{
    const uint32_t nan = 0x7fc00000;
    memcpy(&x, isnan(x) ? (const void *)&nan : &x, sizeof x);
    return (uint32_t)crc32(sum, (const unsigned char *)&x, sizeof x);
}

/* The names, and the numbers. */
static char judge_csv(reel_context *c, const char *path, const char **error)
{
    *error = "";
    reel_csv *table = reel_csv_open(c, path, NULL);
    if (!table) {
        *error = reel_error(c);
        return REFUSED;
    }
    uint32_t sum = 0;
    for (int64_t i = 0; i < reel_csv_columns(table); i++)
        sum = add_text(sum, reel_csv_name(table, i));
    for (int64_t i = 0; i < reel_csv_rows(table) * reel_csv_columns(table); i++)
        sum = add_real(sum, reel_csv_values(table)[i]);
    reel_csv_close(table);
    return letter(sum);
}

/* Of each series its size, its values moment by moment, and its class in small letters or its target. */
static char judge_ts(reel_context *c, const char *path, const char **error)
{
    *error = "";
    reel_ts *file = reel_ts_open(c, path);
    if (!file) {
        *error = reel_error(c);
        return REFUSED;
    }
    uint32_t sum = 0;
    int64_t dimensions = reel_ts_dimensions(file);
    const int64_t *offsets = reel_ts_offsets(file);
    for (int64_t i = 0; i < reel_ts_count(file); i++) {
        char size[48];
        snprintf(size, sizeof size, "%lld, %lld", (long long)dimensions, (long long)(offsets[i + 1] - offsets[i]));
        sum = add_text(sum, size);
        for (int64_t k = offsets[i] * dimensions; k < offsets[i + 1] * dimensions; k++)
            sum = add_real(sum, reel_ts_values(file)[k]);
        for (const char *name = reel_ts_ids(file) ? reel_ts_class(file, reel_ts_ids(file)[i]) : ""; *name; name++) {
            unsigned char small = (unsigned char)(*name >= 'A' && *name <= 'Z' ? *name + 'a' - 'A' : *name);
            sum = (uint32_t)crc32(sum, &small, 1);
        }
        if (reel_ts_targets(file))
            sum = add_real(sum, reel_ts_targets(file)[i]);
    }
    reel_ts_close(file);
    return letter(sum);
}

/* What Python takes and reel does not, and says so in its headers. */
static bool refused_on_purpose(const char *error)
{
    static const char *const reasons[] = {
        "a shape of more than 8 axes", "a zero character", "must begin with '{'", "only spaces may follow",
        "a number that does not fit 64 bits", "a key that is repeated, or none of",
        /* npy: spellings that numpy does not write, and what reel cannot hold */
        "True or False expected", "a whole number from 0 up expected", "a string expected",
        "a string that numpy does not write", "something follows the closing", "which cannot be read as",
        "which is not just the", "a size that does not fit 64 bits",
        /* npz: parts of an archive that contradict each other, and what only Python unpacks */
        "its end is not there", "its directory is", "its directory has another number of members",
        "does not lie within the file", "has sizes that cannot be", "has a name that is not UTF-8",
        "has another header than the directory says", "is encrypted, or has another flag that is not known",
        "is compressed by another method than deflate", "is there twice", "overlaps another member",
        /* csv: lines that pandas cuts or fills up, and what it renames */
        "there are fewer fields", "there are more fields", "a name that another column has",
        "text behind closing quotes", "a zero byte",
        /* ts: a head that does not say what aeon asks for, and what it says and aeon does not look at */
        "there is no @data", "there is no series", "neither # nor @", "a word that no head has",
        "true or false expected", "a whole number from 1 up expected", "more than the word takes",
        "the head has classes and targets", "the head has several dimensions and is univariate",
        "another number of dimensions than the head", "another length than the head says",
        "a value is missing, and the head says that none is", "a class that the head does not name",
        "a class is named twice", "a class or a target without a series", "series with time stamps",
        /* and numbers that only Python writes */
        "a number expected", "',' expected between the values"};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (strstr(error, reasons[i]))
            return true;
    return false;
}

struct format {
    const char *name;
    size_t (*make)(int i, unsigned char bytes[MUTANT_ROOM]);
    char (*judge)(reel_context *c, const char *path, const char **error);
    const char *verdicts;
};

static int compare(reel_context *c, const struct format *f)
{
    struct memory_file file;
    static unsigned char bytes[MUTANT_ROOM];
    int accepted = 0, unknown = 0, narrower = 0, wrong = 0;
    CHECK(strlen(f->verdicts) == MUTANTS, "%s: %zu verdicts", f->name, strlen(f->verdicts));
    CHECK(memory_file_make(&file), "no file in memory");
    for (int i = 0; i < MUTANTS; i++) {
        const char *error = "";
        CHECK(memory_file_fill(&file, bytes, f->make(i, bytes)), "no file in memory");
        char mine = f->judge(c, file.path, &error), wanted = f->verdicts[i];
        accepted += mine != REFUSED;
        if (mine == REFUSED && wanted != REFUSED && wanted != UNKNOWN_TYPE && refused_on_purpose(error))
            narrower++;
        else if (mine != REFUSED && wanted == UNKNOWN_TYPE)
            unknown++;
        else if (mine != wanted && !(mine == REFUSED && wanted == UNKNOWN_TYPE)) {
            fprintf(stderr, "%s, mutant %d: %c, and %c for Python; %s\n", f->name, i, mine, wanted, error);
            wrong++;
        }
        reel_clear_error(c);
    }
    printf("mutants: %d of %s, %d accepted (%d with a type name that nobody knows), %d refused that Python takes, all "
           "for reasons in the header; %d judged wrongly\n",
           MUTANTS, f->name, accepted, unknown, narrower, wrong);
    CHECK(accepted > MUTANTS / 20 && accepted < MUTANTS * 19 / 20, "%s: the mutants do not tell anything", f->name);
    close(file.descriptor);
    return wrong;
}

int main(int argc, char **argv)
{
    static const struct format formats[] = {{"safetensors", mutant_safetensors, judge_safetensors, golden_safetensors},
                                            {"npy", mutant_npy, judge_npy, golden_npy},
                                            {"npz", mutant_npz, judge_npy, golden_npz},
                                            {"csv", mutant_csv, judge_csv, golden_csv},
                                            {"idx", mutant_idx, judge_idx, golden_idx},
                                            {"ts", mutant_ts, judge_ts, golden_ts}};
    static unsigned char bytes[MUTANT_ROOM];
    if (argc > 2)
        for (size_t k = 0; k < sizeof formats / sizeof *formats; k++)
            for (int i = 0; i < MUTANTS && strcmp(argv[2], formats[k].name) == 0; i++) {
                uint32_t size = (uint32_t)formats[k].make(i, bytes);
                fwrite(&size, sizeof size, 1, stdout);
                fwrite(bytes, 1, size, stdout);
            }
    if (argc > 2)
        return fflush(stdout) != 0;
    reel_context *c = reel_context_new(NULL);
    int wrong = 0;
    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++)
        wrong += compare(c, &formats[k]);
    reel_context_free(c);
    return wrong > 0;
}
