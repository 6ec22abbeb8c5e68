/* Decoders and encoders of messages in ASCII: what `decoders` and `encoders` write in Python for every dialect, for these as a table.

   A program takes what is right and hands all else back as None; `compiled` says what that means. Nothing is read behind the
   payload: each length is compared with what is left before anything is taken. A field's text is made once, of its own bytes alone.
   docs/decisions/0046. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* What a character may be; a row says which of these all of its characters have to be. */
enum { ANY = 1, PRINTABLE = 2, DIGIT = 4, CODE = 8, HEX = 16 };
static unsigned char kinds[256]; /* nothing above ASCII */

/* `prefix`: digits of the length in front, 0: always `low` long; `packed`: stands as bytes and is read as hexadecimal digits, `low` and
   `high` count the bytes; `known`, `right`: a set it may be in, else what it has to be good for, both or none of them NULL. */
typedef struct {
    PyObject *name;
    Py_ssize_t prefix, low, high;
    unsigned char kind;
    char packed, even;
    PyObject *known, *right;
} Row;

/* `start`: of a decoder the dictionary to fill, its values overwritten; of an encoder the bytes of the message that are always there. */
typedef struct {
    PyObject *start;
    Py_ssize_t at, count;
    Row rows[];
} Program;

#define NAME "authsvc.codec.cut.Program"
static const char DIGITS[] = "0123456789ABCDEF";

static Program *program_of(PyObject *capsule) { return PyCapsule_GetPointer(capsule, NAME); }

static void forget(PyObject *capsule) {
    Program *program = program_of(capsule);
    for (Py_ssize_t place = 0; place < program->count; place++) {
        Py_DECREF(program->rows[place].name);
        Py_XDECREF(program->rows[place].known);
        Py_XDECREF(program->rows[place].right);
    }
    Py_DECREF(program->start);
    PyMem_Free(program);
}

/* ------------------------------------------------------------------ decoding */

/* The length in front, -1 when it is none that this row may have. */
static Py_ssize_t length_at(const unsigned char *here, const Row *row) {
    Py_ssize_t length = 0;
    for (Py_ssize_t place = 0; place < row->prefix; place++) {
        if (!(kinds[here[place]] & DIGIT))
            return -1;
        length = 10 * length + (here[place] - '0');
    }
    return length < row->low || length > row->high ? -1 : length;
}

static int all_are(const unsigned char *text, Py_ssize_t length, unsigned char kind) {
    unsigned char found = kind;
    for (Py_ssize_t place = 0; place < length; place++)
        found &= kinds[text[place]];
    return found;
}

/* The text of a field, not yet looked into. */
static PyObject *text_of(const unsigned char *here, Py_ssize_t length, const Row *row) {
    PyObject *text = PyUnicode_New(row->packed ? 2 * length : length, 127);
    if (text == NULL || length == 0)
        return text;
    Py_UCS1 *out = PyUnicode_1BYTE_DATA(text);
    if (!row->packed) {
        memcpy(out, here, length);
        return text;
    }
    for (Py_ssize_t place = 0; place < length; place++) {
        *out++ = DIGITS[here[place] >> 4];
        *out++ = DIGITS[here[place] & 15];
    }
    return text;
}

/* 1: right; 0: not; -1: an exception. */
static int is_right(PyObject *text, const Row *row) {
    if (row->known != NULL) {
        int known = PySet_Contains(row->known, text);
        if (known != 0)
            return known;
    }
    if (row->right == NULL)
        return row->known == NULL;
    PyObject *answer = PyObject_CallOneArg(row->right, text);
    if (answer == NULL)
        return -1;
    int right = PyObject_IsTrue(answer);
    Py_DECREF(answer);
    return right;
}

/* One field at `*here`, put into `fields`; moves on behind it. As `is_right`. */
static int cut(const unsigned char **here, const unsigned char *end, const Row *row, PyObject *fields) {
    Py_ssize_t length = row->low;
    if (row->prefix != 0) {
        if (end - *here < row->prefix || (length = length_at(*here, row)) < 0)
            return 0;
        *here += row->prefix;
    }
    if (end - *here < length || (row->even && length % 2 != 0) || (!row->packed && !all_are(*here, length, row->kind)))
        return 0;
    PyObject *text = text_of(*here, length, row);
    if (text == NULL)
        return -1;
    *here += length;
    int right = row->known == NULL && row->right == NULL ? 1 : is_right(text, row);
    if (right == 1 && PyDict_SetItem(fields, row->name, text) < 0)
        right = -1;
    Py_DECREF(text);
    return right;
}

static PyObject *decode(PyObject *capsule, PyObject *payload) {
    Program *program = program_of(capsule);
    if (!PyBytes_Check(payload))
        return PyErr_Format(PyExc_TypeError, "a payload is bytes");
    const unsigned char *here = (const unsigned char *)PyBytes_AS_STRING(payload), *end = here + PyBytes_GET_SIZE(payload);
    if (end - here < program->at)
        Py_RETURN_NONE;
    here += program->at;
    PyObject *fields = PyDict_Copy(program->start);
    int right = fields == NULL ? -1 : 1;
    for (Py_ssize_t place = 0; right == 1 && place < program->count; place++)
        right = cut(&here, end, &program->rows[place], fields);
    if (right == 1 && here == end)
        return fields;
    Py_XDECREF(fields);
    if (right < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------ encoding */

static int digit_of(unsigned char letter) {
    if (letter <= '9')
        return letter - '0';
    return (letter | 0x20) - 'a' + 10;
}

#if PY_VERSION_HEX >= 0x030C0000
#undef PyUnicode_READY
#define PyUnicode_READY(text) 0 /* all text is */
#endif

/* How long the field stands on the wire without its length in front, -1 when it cannot: the same as its text, or half of that. */
static Py_ssize_t length_of(PyObject *value, const Row *row) {
    if (value == NULL || !PyUnicode_Check(value) || PyUnicode_READY(value) < 0 || !PyUnicode_IS_ASCII(value))
        return -1;
    Py_ssize_t length = PyUnicode_GET_LENGTH(value);
    if (row->packed) {
        if (length % 2 != 0 || !all_are(PyUnicode_1BYTE_DATA(value), length, HEX))
            return -1;
        length /= 2;
    }
    return length < row->low || length > row->high ? -1 : length;
}

static unsigned char *put(unsigned char *out, PyObject *value, Py_ssize_t length, const Row *row) {
    Py_ssize_t left = length;
    for (Py_ssize_t place = row->prefix - 1; place >= 0; place--, left /= 10)
        out[place] = '0' + left % 10;
    out += row->prefix;
    const Py_UCS1 *text = PyUnicode_1BYTE_DATA(value);
    if (!row->packed)
        memcpy(out, text, length);
    else
        for (Py_ssize_t place = 0; place < length; place++)
            out[place] = digit_of(text[2 * place]) << 4 | digit_of(text[2 * place + 1]);
    return out + length;
}

static PyObject *encode(PyObject *capsule, PyObject *fields) {
    Program *program = program_of(capsule);
    if (!PyDict_Check(fields))
        Py_RETURN_NONE;
    PyObject *values[128];
    Py_ssize_t lengths[128], size = PyBytes_GET_SIZE(program->start);
    for (Py_ssize_t place = 0; place < program->count; place++) {
        const Row *row = &program->rows[place];
        values[place] = PyDict_GetItemWithError(fields, row->name);
        lengths[place] = length_of(values[place], row);
        if (PyErr_Occurred())
            return NULL;
        if (lengths[place] < 0)
            Py_RETURN_NONE;
        size += row->prefix + lengths[place];
    }
    PyObject *message = PyBytes_FromStringAndSize(NULL, size);
    if (message == NULL)
        return NULL;
    /* The first row is the MTI; what is always there, the bitmap, stands behind it. */
    unsigned char *out = (unsigned char *)PyBytes_AS_STRING(message);
    for (Py_ssize_t place = 0; place < program->count; place++) {
        out = put(out, values[place], lengths[place], &program->rows[place]);
        if (place == 0) {
            memcpy(out, PyBytes_AS_STRING(program->start), PyBytes_GET_SIZE(program->start));
            out += PyBytes_GET_SIZE(program->start);
        }
    }
    return message;
}

/* ------------------------------------------------------------------ making programs */

static int read_row(PyObject *from, Row *row) {
    PyObject *known, *right;
    int packed, even;
    if (!PyArg_ParseTuple(from, "UnnnbppOO", &row->name, &row->prefix, &row->low, &row->high, &row->kind, &packed, &even, &known, &right))
        return 0;
    if (row->prefix < 0 || row->prefix > 3 || row->low < 0 || row->low > row->high || row->high > 999 ||
        (known != Py_None && !PyAnySet_Check(known))) {
        PyErr_SetString(PyExc_ValueError, "no row of a program");
        return 0;
    }
    row->packed = packed, row->even = even;
    Py_INCREF(row->name);
    row->known = known == Py_None ? NULL : Py_NewRef(known);
    row->right = right == Py_None ? NULL : Py_NewRef(right);
    return 1;
}

static PyObject *made(PyMethodDef *what, PyObject *start, Py_ssize_t at, PyObject *rows) {
    Py_ssize_t count = PyTuple_GET_SIZE(rows);
    if (count > 128)
        return PyErr_Format(PyExc_ValueError, "more rows than a message has");
    Program *program = PyMem_Calloc(1, sizeof(Program) + count * sizeof(Row));
    if (program == NULL)
        return PyErr_NoMemory();
    program->start = Py_NewRef(start);
    program->at = at;
    PyObject *capsule = PyCapsule_New(program, NAME, forget);
    if (capsule == NULL) {
        Py_DECREF(start);
        PyMem_Free(program);
        return NULL;
    }
    PyObject *function = NULL;
    while (program->count < count && read_row(PyTuple_GET_ITEM(rows, program->count), &program->rows[program->count]))
        program->count++;
    if (program->count == count)
        function = PyCFunction_New(what, capsule);
    Py_DECREF(capsule);
    return function;
}

static PyMethodDef decode_method = {"decode", decode, METH_O, "The fields of a payload; None: it is not what this program takes."};
static PyMethodDef encode_method = {"encode", encode, METH_O, "The message of these fields; None: they are not what this program says."};

static PyObject *decoder(PyObject *module, PyObject *arguments) {
    PyObject *start, *rows;
    Py_ssize_t at;
    if (!PyArg_ParseTuple(arguments, "O!nO!", &PyDict_Type, &start, &at, &PyTuple_Type, &rows))
        return NULL;
    if (at < 0)
        return PyErr_Format(PyExc_ValueError, "no place in a message");
    return made(&decode_method, start, at, rows);
}

static PyObject *encoder(PyObject *module, PyObject *arguments) {
    PyObject *bitmap, *rows;
    if (!PyArg_ParseTuple(arguments, "O!O!", &PyBytes_Type, &bitmap, &PyTuple_Type, &rows))
        return NULL;
    return made(&encode_method, bitmap, 0, rows);
}

static PyMethodDef methods[] = {
    {"decoder", decoder, METH_VARARGS, "The decoder of messages with these fields."},
    {"encoder", encoder, METH_VARARGS, "The encoder of messages with these fields."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "authsvc.codec.cut", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit_cut(void) {
    for (int byte = 0; byte < 128; byte++) {
        int digit = '0' <= byte && byte <= '9', letter = ('a' <= (byte | 0x20)) && ((byte | 0x20) <= 'z');
        int hex = digit || (letter && (byte | 0x20) <= 'f');
        kinds[byte] = ANY | (0x20 <= byte && byte < 0x7f ? PRINTABLE : 0) | (digit ? DIGIT : 0) |
                      (digit || letter || byte == ' ' ? CODE : 0) | (hex ? HEX : 0);
    }
    return PyModule_Create(&module);
}
