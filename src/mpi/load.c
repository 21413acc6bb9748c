/* Loading what reel_mpi_save has written, at any number of ranks, or files of PyTorch's HuggingFaceStorageWriter. */
#include "save.h"

#include <reel/safetensors.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The safetensors files of a folder, by name, in which the rows of a tensor follow each other. */
struct files {
    reel_context *context;
    const char *folder;
    int count;
    char (*names)[NAME_MAX + 1];
    struct reel_mpi_memory memory;
    /* [count][tensors]: rows that a file has of a tensor, or 1 when it has one that is not spread. */
    int64_t *rows;
    struct reel_mpi_memory rows_memory;
    int tensors;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static bool is_safetensors(const char *name)
{
    static const char ending[] = ".safetensors";
    size_t length = strlen(name);
    return length > sizeof ending - 1 && strcmp(name + length - (sizeof ending - 1), ending) == 0 &&
           strcmp(name, REEL_MPI_REST) != 0 && strcmp(name, REEL_MPI_GROUP) != 0;
}

static int list_names(const char *folder, char (*names)[NAME_MAX + 1], int room)
{
    int count = 0;
    DIR *stream = opendir(folder);
    for (const struct dirent *entry; stream && (entry = readdir(stream)) != NULL;)
        if (is_safetensors(entry->d_name) && count++ < room)
            strcpy(names[count - 1], entry->d_name);
    if (stream)
        closedir(stream);
    return count;
}

static reel_status open_folder(struct files *files, reel_context *c, const char *folder, int tensors)
{
    *files = (struct files){.context = c, .folder = folder, .tensors = tensors};
    int count = list_names(folder, NULL, 0);
    if (count == 0)
        return reel_fail(c, REEL_ERROR_IO, "mpi_load: there are no safetensors files in \"%.300s\"", folder);
    if (reel_mpi_reserve(c, &files->memory, (size_t)count * sizeof *files->names) != REEL_OK ||
        reel_mpi_reserve(c, &files->rows_memory, (size_t)count * (size_t)tensors * sizeof *files->rows) != REEL_OK)
        return reel_context_status(c);
    files->names = files->memory.data;
    files->rows = files->rows_memory.data;
    memset(files->names, 0, (size_t)count * sizeof *files->names);
    memset(files->rows, 0, (size_t)count * (size_t)tensors * sizeof *files->rows);
    if (list_names(folder, files->names, count) != count)
        return reel_fail(c, REEL_ERROR_IO, "mpi_load: \"%.300s\" changes while it is read", folder);
    qsort(files->names, (size_t)count, sizeof *files->names, by_name);
    files->count = count;
    return REEL_OK;
}

static void close_folder(struct files *files)
{
    reel_mpi_release(&files->memory);
    reel_mpi_release(&files->rows_memory);
}

static reel_safetensors *open_file(const struct files *files, int i)
{
    char path[PATH_MAX];
    if (reel_mpi_join_path(files->context, path, files->folder, files->names[i]) != REEL_OK)
        return NULL;
    return reel_safetensors_open(files->context, path);
}

/* ---- Checking ---- */

/* The place of a name among tensors first..end - 1, less `first`; -1 when it is none. */
static int find(const struct reel_mpi_contents *contents, int first, int end, const char *name)
{
    for (int i = first; i < end; i++)
        if (strcmp(contents->tensors[i].name, name) == 0)
            return i - first;
    return -1;
}

static reel_status fail_format(const struct files *files, const char *name, const char *what)
{
    return reel_fail(files->context, REEL_ERROR_FORMAT, "mpi_load: \"%.200s\": tensor \"%.100s\" %s", files->folder,
                     name, what);
}

static reel_status check_file(struct files *files, int i, const struct reel_mpi_contents *contents, int first, int end)
{
    reel_safetensors *file = open_file(files, i);
    for (int64_t k = 0; k < reel_safetensors_count(file); k++) {
        const reel_tensor_info *info = reel_safetensors_at(file, k);
        int place = find(contents, first, end, info->name);
        if (place < 0) {
            fail_format(files, info->name, "is none of the set or the optimizer");
            break;
        }
        const struct reel_mpi_tensor *tensor = &contents->tensors[first + place];
        reel_shape shape = tensor->shape;
        if (tensor->table && info->shape.ndim > 0)
            shape.dim[0] = info->shape.dim[0];
        if (!reel_shape_equal(&shape, &info->shape)) {
            fail_format(files, info->name, "has another shape");
            break;
        }
        files->rows[(size_t)i * (size_t)files->tensors + (size_t)place] = tensor->table ? shape.dim[0] : 1;
    }
    reel_safetensors_close(file);
    return reel_context_status(files->context);
}

/* Whether the files have all of every tensor. A state that no rank held when it was saved is in none. */
static reel_status check_folder(struct files *files, const struct reel_mpi_contents *contents, int first, int end)
{
    for (int i = 0; i < files->count; i++)
        if (check_file(files, i, contents, first, end) != REEL_OK)
            return reel_context_status(files->context);
    for (int k = 0; k < end - first; k++) {
        const struct reel_mpi_tensor *tensor = &contents->tensors[first + k];
        int64_t rows = 0, want = tensor->table ? tensor->shape.dim[0] : 1;
        for (int i = 0; i < files->count; i++)
            rows += files->rows[(size_t)i * (size_t)files->tensors + (size_t)k];
        if (rows == 0 && (tensor->state || want == 0))
            continue;
        if (tensor->table ? rows != want : rows < 1)
            return fail_format(files, tensor->name, rows == 0 ? "is missing" : "has another number of rows");
    }
    return REEL_OK;
}

/* ---- Reading ---- */

/* One after the other, since most of a tensor's rows are wanted in order. */
struct reader {
    const struct files *files;
    int open; /* the file's number, or -1 */
    reel_safetensors *file;
};

static reel_safetensors *turn_to(struct reader *reader, int i)
{
    if (reader->open != i) {
        reel_safetensors_close(reader->file);
        reader->file = open_file(reader->files, i);
        reader->open = i;
    }
    return reader->file;
}

static bool has(const struct files *files, int place)
{
    for (int i = 0; i < files->count; i++)
        if (files->rows[(size_t)i * (size_t)files->tensors + (size_t)place] > 0)
            return true;
    return false;
}

/* Rows first..end - 1 of the whole tensor. */
static void read_rows(struct reader *reader, int place, const struct reel_mpi_tensor *tensor, int64_t first,
                      int64_t end, char *out)
{
    const struct files *files = reader->files;
    int64_t begin = 0;
    for (int i = 0; i < files->count && first < end; i++) {
        int64_t rows = files->rows[(size_t)i * (size_t)files->tensors + (size_t)place];
        int64_t count = (end < begin + rows ? end : begin + rows) - first;
        if (count > 0 && first >= begin) {
            reel_safetensors_read_rows(turn_to(reader, i), tensor->name, tensor->dtype, first - begin, count, out);
            out += (size_t)count * reel_mpi_tensor_row(tensor);
            first += count;
        }
        begin += rows;
    }
}

static void read_whole(struct reader *reader, int place, const struct reel_mpi_tensor *tensor, void *out)
{
    const struct files *files = reader->files;
    for (int i = 0; i < files->count; i++)
        if (files->rows[(size_t)i * (size_t)files->tensors + (size_t)place] > 0) {
            reel_safetensors_read(turn_to(reader, i), tensor->name, tensor->dtype, out,
                                  reel_shape_numel(&tensor->shape));
            return;
        }
}

/* Numbers of groups are double in either library. */
static double read_number(struct reader *reader, int place, const struct reel_mpi_tensor *tensor)
{
    const struct files *files = reader->files;
    double number = 0;
    for (int i = 0; i < files->count; i++)
        if (files->rows[(size_t)i * (size_t)files->tensors + (size_t)place] > 0) {
            const void *mapped = reel_safetensors_map(turn_to(reader, i), tensor->name, "F64");
            if (mapped)
                memcpy(&number, mapped, sizeof number);
            break;
        }
    return number;
}

/* Elements of this rank's part. */
static int64_t part_numel(const reel_mpi *mpi, const struct reel_mpi_tensor *tensor, reel_shape *shape)
{
    *shape = tensor->shape;
    if (tensor->table)
        shape->dim[0] = reel_mpi_rows_of_rank(tensor->shape.dim[0], mpi->ranks, mpi->rank);
    return reel_shape_numel(shape);
}

/* Every rank reads some of the rows, and sends them to where they belong. */
static void scatter_rows(reel_mpi *mpi, struct reader *reader, int place, const struct reel_mpi_tensor *tensor,
                         void *out)
{
    struct reel_mpi_pieces pieces;
    reel_mpi_pieces_begin(&pieces, mpi, tensor);
    if (reel_mpi_agree_at(mpi, REEL_MPI_AT_LOAD, 0, 0) == REEL_OK)
        for (int64_t round = 0; round < pieces.rounds && !mpi->broken; round++) {
            int64_t first, end;
            reel_mpi_pieces_rows(&pieces, mpi->ranks, mpi->rank, round, &first, &end);
            read_rows(reader, place, tensor, first, end, pieces.piece.data);
            reel_mpi_pieces_scatter(&pieces, mpi, round, out);
        }
    reel_mpi_pieces_end(&pieces);
}

/* The state of a param, or the param itself. `memory` is for what is set as a whole. */
static void load_array(reel_mpi *mpi, struct reader *reader, int place, const struct reel_mpi_contents *contents,
                       const struct reel_mpi_tensor *tensor, struct reel_mpi_memory *memory)
{
    reel_context *c = mpi->context;
    reel_shape shape;
    size_t bytes = (size_t)part_numel(mpi, tensor, &shape) * reel_mpi_tensor_element(tensor);
    void *to = NULL;
    if (!tensor->state)
        to = reel_param_write(tensor->param);
    else if (reel_mpi_reserve(c, memory, bytes) == REEL_OK)
        to = memory->data;
    if (tensor->table)
        scatter_rows(mpi, reader, place, tensor, to);
    else if (to)
        read_whole(reader, place, tensor, to);
    if (tensor->state && bytes > 0) {
        const reel_optim_state state = {tensor->state, tensor->dtype, shape, to};
        reel_optim_set_state(contents->optim, tensor->param, &state);
    }
}

static void load_option(struct reader *reader, int place, const struct reel_mpi_contents *contents,
                        const struct reel_mpi_tensor *tensor)
{
    double number = read_number(reader, place, tensor);
    if (reel_context_status(reader->files->context) == REEL_OK &&
        number != reel_optim_get_option(contents->optim, tensor->group, tensor->option))
        reel_optim_set_option(contents->optim, tensor->group, tensor->option, number);
}

static void load_member(struct reader *reader, int place, const struct reel_mpi_tensor *tensor)
{
    int64_t group = 0;
    read_whole(reader, place, tensor, &group);
    if (group != *(const int64_t *)tensor->data)
        fail_format(reader->files, tensor->name, "says that the param is in another group");
}

static void load_tensors(struct files *files, const struct reel_mpi_contents *contents, int first, int end)
{
    reel_mpi *mpi = contents->mpi;
    struct reader reader = {files, -1, NULL};
    struct reel_mpi_memory memory = {0};
    for (int i = first; i < end && !mpi->broken; i++) {
        const struct reel_mpi_tensor *tensor = &contents->tensors[i];
        if (!has(files, i - first))
            continue;
        if (tensor->option)
            load_option(&reader, i - first, contents, tensor);
        else if (tensor->param)
            load_array(mpi, &reader, i - first, contents, tensor, &memory);
        else
            load_member(&reader, i - first, tensor);
    }
    reel_safetensors_close(reader.file);
    reel_mpi_release(&memory);
}

static void load_rest(reel_mpi *mpi, reel_checkpoint *rest, const char *folder)
{
    char path[PATH_MAX];
    reel_checkpoint *own = rest ? NULL : reel_checkpoint_new(mpi->context);
    if (reel_mpi_join_path(mpi->context, path, folder, REEL_MPI_REST) == REEL_OK)
        reel_checkpoint_load(rest ? rest : own, path);
    reel_checkpoint_free(own);
}

static void load_group(reel_mpi *mpi, const char *folder)
{
    char path[PATH_MAX];
    if (reel_mpi_join_path(mpi->context, path, folder, REEL_MPI_GROUP) != REEL_OK)
        return;
    int64_t seed, loops;
    reel_safetensors *file = reel_safetensors_open(mpi->context, path);
    if (reel_safetensors_read(file, "seed", REEL_INT64, &seed, 1) == REEL_OK &&
        reel_safetensors_read(file, "loops", REEL_INT64, &loops, 1) == REEL_OK) {
        mpi->seed = (uint64_t)seed;
        mpi->loops = (uint64_t)loops;
    }
    reel_safetensors_close(file);
}

/* The newest checkpoint in a folder of them, or the folder itself. */
static reel_status choose_folder(reel_context *c, const char *folder, char path[PATH_MAX])
{
    if (reel_mpi_join_path(c, path, folder, REEL_MPI_LATEST) == REEL_OK && access(path, F_OK) != 0)
        snprintf(path, PATH_MAX, "%s", folder);
    return reel_context_status(c);
}

reel_status reel_mpi_load(reel_mpi *mpi, reel_params *params, reel_optim *optim, reel_checkpoint *rest,
                          const char *folder)
{
    if (!mpi)
        return REEL_ERROR_ARGUMENT;
    reel_context *c = mpi->context;
    struct reel_mpi_contents contents;
    struct files model = {0}, run = {0};
    char path[PATH_MAX], run_path[PATH_MAX];
    if (!folder)
        reel_fail(c, REEL_ERROR_ARGUMENT, "mpi_load: the folder is NULL");
    if (reel_mpi_contents_make(&contents, mpi, params, optim) == REEL_OK && choose_folder(c, folder, path) == REEL_OK &&
        open_folder(&model, c, path, contents.model) == REEL_OK)
        check_folder(&model, &contents, 0, contents.model);
    bool has_run = optim != NULL || rest != NULL;
    if (reel_context_status(c) == REEL_OK && reel_mpi_join_path(c, run_path, path, REEL_MPI_RUN) == REEL_OK && optim &&
        open_folder(&run, c, run_path, contents.count - contents.model) == REEL_OK)
        check_folder(&run, &contents, contents.model, contents.count);
    /* Every rank looks at the same files. */
    uint64_t layout = reel_mpi_hash(reel_mpi_contents_hash(&contents), &model.count, sizeof model.count);
    if (reel_mpi_agree_at(mpi, REEL_MPI_AT_LOAD, layout, 0) == REEL_OK) {
        load_tensors(&model, &contents, 0, contents.model);
        load_tensors(&run, &contents, contents.model, contents.count);
        if (has_run || access(run_path, F_OK) == 0) {
            load_rest(mpi, rest, run_path);
            load_group(mpi, run_path);
        }
        if (!mpi->broken)
            reel_mpi_agree_at(mpi, REEL_MPI_AT_LOAD, 0, 0);
    }
    close_folder(&model);
    close_folder(&run);
    reel_mpi_contents_release(&contents);
    return reel_context_status(c);
}
