/* Attributes and globals, remembered where they are asked for; and what is hardly ever run, marked as such.

   mypyc asks for every attribute of a class that it did not compile (all msgspec structs, all enums) and for every global of a
   module by name, each time: a sixth of what a message costs. CPython's own interpreter has remembered such answers next to the
   instruction since 3.11 (PEP 659: LOAD_ATTR_SLOT, LOAD_GLOBAL_MODULE, LOAD_ATTR_CLASS); here is the same for compiled modules, by the
   same rules: an answer holds while the version of the type, or of the module's dictionary, is the one it was found under.
   `remember.py` puts this into what mypyc has written. docs/decisions/0045.

   In CPython 3.11 and 3.12, where these versions are what they are taken for here; elsewhere everything is looked up as before. */

#ifndef AUTHSVC_REMEMBER_H
#define AUTHSVC_REMEMBER_H

#include <Python.h>
#include <structmember.h>

/* What is called where something has failed: the compiler puts the way there apart from what runs. */
__attribute__((cold)) void CPy_AddTraceback(const char *, const char *, int, PyObject *);
__attribute__((cold)) void CPy_TypeErrorTraceback(const char *, const char *, int, PyObject *, const char *, PyObject *);
__attribute__((cold)) void CPy_TypeError(const char *, PyObject *);

#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030D0000 && !defined(Py_GIL_DISABLED) && defined(__GNUC__)

#ifndef HOPELESS
#define HOPELESS 16 /* times in a row that nothing could be remembered at one place, after which it is tried once in AGAIN times */
#endif
#define AGAIN 64
#define NOTHING UINT_MAX /* in place of a version: the last of four billion, which no process comes to */

/* Of one place in the code. `version`: of the type of the object that was asked; `owner`: NULL where the answer is in the object,
   at `offset`; else the object was this class, its version `owner_version`, and the answer `value`, which the class keeps. */
typedef struct {
    unsigned int version;
    unsigned int owner_version;
    Py_ssize_t offset;
    PyObject *owner;
    PyObject *value;
    unsigned int failed;
} Attribute;

typedef struct {
    uint64_t version;
    PyObject *value; /* the dictionary keeps it while its version is this */
} Global;

static inline unsigned int version_of(PyTypeObject *type) {
    return PyType_HasFeature(type, Py_TPFLAGS_VALID_VERSION_TAG) ? type->tp_version_tag : 0;
}

/* The attribute is a slot of its instances: remember where. */
static int remember_slot(PyTypeObject *type, PyObject *name, Attribute *at) {
    PyObject *found = _PyType_Lookup(type, name);
    unsigned int version = version_of(type);
    if (found == NULL || !Py_IS_TYPE(found, &PyMemberDescr_Type) || version == 0)
        return 0;
    PyMemberDef *member = ((PyMemberDescrObject *)found)->d_member;
    if (member->type != T_OBJECT_EX || member->offset <= 0 || (member->flags & ~READONLY) != 0)
        return 0;
    at->version = NOTHING; /* whoever is called when the last of a class goes finds nothing half remembered here */
    Py_CLEAR(at->owner);
    at->offset = member->offset;
    at->version = version;
    return 1;
}

/* The attribute is what the class itself has, bound to nobody: remember it. */
static int remember_of_class(PyObject *owner, PyObject *name, PyObject *answer, Attribute *at) {
    PyTypeObject *metatype = Py_TYPE(owner);
    if (_PyType_Lookup(metatype, name) != NULL || _PyType_Lookup((PyTypeObject *)owner, name) != answer ||
        Py_TYPE(answer)->tp_descr_get != NULL)
        return 0;
    unsigned int version = version_of(metatype), owner_version = version_of((PyTypeObject *)owner);
    if (version == 0 || owner_version == 0)
        return 0;
    at->version = NOTHING;
    Py_INCREF(owner); /* so that nothing else is ever found at its address */
    Py_XSETREF(at->owner, owner);
    at->value = answer;
    at->owner_version = owner_version;
    at->version = version;
    return 1;
}

static PyObject *attribute_looked_up(PyObject *object, PyObject *name, Attribute *at) {
    PyObject *answer = PyObject_GetAttr(object, name);
    if (answer == NULL || (at->failed >= HOPELESS && ++at->failed % AGAIN != 0))
        return answer;
    PyTypeObject *type = Py_TYPE(object);
    int remembered = 0;
    if (type->tp_getattro == PyObject_GenericGetAttr)
        remembered = remember_slot(type, name, at);
    else if (type->tp_getattro == PyType_Type.tp_getattro)
        remembered = remember_of_class(object, name, answer, at);
    at->failed = remembered ? 0 : at->failed + 1;
    return answer;
}

static inline PyObject *attribute(PyObject *object, PyObject *name, Attribute *at) {
    if (likely(Py_TYPE(object)->tp_version_tag == at->version)) {
        if (likely(at->owner == NULL)) {
            PyObject *answer = *(PyObject **)((char *)object + at->offset);
            if (likely(answer != NULL))
                return Py_NewRef(answer);
        } else if (object == at->owner && ((PyTypeObject *)object)->tp_version_tag == at->owner_version)
            return Py_NewRef(at->value);
    }
    return attribute_looked_up(object, name, at);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* of `ma_version_tag`, by 3.12: it goes in 3.14 */
static PyObject *global_looked_up(PyObject *globals, PyObject *name, Global *at) {
    PyObject *answer = CPyDict_GetItem(globals, name);
    if (answer != NULL && PyDict_CheckExact(globals)) {
        at->value = answer;
        at->version = ((PyDictObject *)globals)->ma_version_tag;
    }
    return answer;
}

static inline PyObject *global(PyObject *globals, PyObject *name, Global *at) {
    if (likely(((PyDictObject *)globals)->ma_version_tag == at->version))
        return Py_NewRef(at->value);
    return global_looked_up(globals, name, at);
}
#pragma GCC diagnostic pop

/* Each stands for one name: `remember.py` puts them where mypyc asks by a literal, and leaves `getattr(thing, variable)` alone. */
#define AUTHSVC_ATTRIBUTE(object, name)                                                                                        \
    ({                                                                                                                         \
        static Attribute remembered = {.version = NOTHING};                                                                    \
        attribute((object), (name), &remembered);                                                                              \
    })
#define AUTHSVC_GLOBAL(globals, name)                                                                                          \
    ({                                                                                                                         \
        static Global remembered;                                                                                              \
        global((globals), (name), &remembered);                                                                                \
    })

#else

#define AUTHSVC_ATTRIBUTE(object, name) CPyObject_GetAttr((object), (name))
#define AUTHSVC_GLOBAL(globals, name) CPyDict_GetItem((globals), (name))

#endif
#endif
