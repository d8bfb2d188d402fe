/* Status codes and the text of the last error.
 *
 * Every function that can fail returns efme_status; EFME_OK is zero. On failure its out-parameters are untouched, unless its
 * comment says otherwise, and efme_last_error() holds a sentence that names the file, row, field, tensor or argument. The text is
 * per thread and lasts until the next failing call on that thread; a success does not clear it.
 *
 * Any function may answer ARGUMENT (a NULL, a number out of its range, options of an impossible struct_size or with a reserved field
 * set, handles of two contexts), NOMEM and INTERNAL, and any that computes BACKEND; the comments, which leave out EFME_E_, name the
 * others. Functions without a status give 0 or NULL for a NULL handle or an index out of range, unless the comment says otherwise. */
#ifndef EFME_STATUS_H
#define EFME_STATUS_H

#include "efme/export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum efme_status {
  EFME_OK = 0,
  EFME_E_ARGUMENT = -1,    /* an argument is NULL or out of range, or options carry bytes this version does not know */
  EFME_E_NOMEM = -2,       /* the allocator said no */
  EFME_E_IO = -3,          /* a file cannot be opened, read or written */
  EFME_E_FORMAT = -4,      /* a file's content is damaged or is not what it should be */
  EFME_E_LIMIT = -5,       /* larger than a stated limit: pixels, file size, classes, samples */
  EFME_E_UNSUPPORTED = -6, /* well formed, but not something this build or device can do */
  EFME_E_MISMATCH = -7,    /* two things that must agree do not: class names, shapes, fingerprints, checksums */
  EFME_E_NOT_FOUND = -8,   /* no such tensor, column, value, tap, preset, label map, fold, face */
  EFME_E_STATE = -9,       /* the call does not fit what the object has done so far */
  EFME_E_BUSY = -10,       /* the object is in use and cannot be changed now */
  EFME_E_CANCELLED = -11,  /* a progress callback asked to stop; the object is valid and can go on */
  EFME_E_NUMERIC = -12,    /* a loss or weight became NaN or infinite */
  EFME_E_LEAK = -13,       /* the audit refuses: the tested data took part in training */
  EFME_E_BACKEND = -14,    /* a device or a backend module failed */
  EFME_E_INTERNAL = -15    /* a defect of the library: please report */
} efme_status;

/* "EFME_E_FORMAT" and so on; "unknown status" for other numbers. Static string, any thread. */
EFME_API const char *efme_status_name(efme_status status);

/* Text of this thread's last failing call, at most 511 bytes; never NULL, "" if none failed. Valid until the next failing call on this
 * thread. */
EFME_API const char *efme_last_error(void);

#ifdef __cplusplus
}
#endif
#endif
