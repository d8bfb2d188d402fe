/* Manifests, strictly and leniently, in a folder with two images. */
#include "dataset.h"

static void open_manifest(const char *path, size_t size, uint32_t lenient) {
  efme_dataset_options o = EFME_DATASET_OPTIONS_INIT;
  efme_dataset *d = NULL, *part = NULL;
  o.lenient = lenient;
  fuzz_begin((2u << 20) + 512 * size);
  if (fuzz_status(efme_dataset_open_manifest(&d, fuzz_context(), path, &o), FUZZ_MAY(FORMAT) | FUZZ_MAY(LIMIT) | FUZZ_MAY(IO), "input") ==
      EFME_OK) {
    fuzz_use_dataset(d);
    if (fuzz_status(efme_dataset_filter(&part, d, "note", "x", 0), FUZZ_MAY(NOT_FOUND), "") == EFME_OK) fuzz_use_dataset(part);
    efme_dataset_release(part);
  }
  efme_dataset_release(d);
  fuzz_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char a[] = "P5 2 2 255\nabcd", b[] = "P5 2 2 255\nbc"; /* the second is truncated */
  static int written;
  fuzz_context();
  if (!written++) fuzz_write("a.pgm", a, sizeof a - 1), fuzz_write("b.pgm", b, sizeof b - 1);
  const char *path = fuzz_write("input", data, size);
  open_manifest(path, size, 0);
  open_manifest(path, size, 1);
  return 0;
}

void fuzz_seeds(fuzz_emit_fn emit) {
  static const char plain[] = "path,label,subject,dataset,clip,split,onset,apex,offset,note\n"
                              "a.pgm,happy,1,CASME II,EP01_1,train,1,20,30,x\n"
                              "b.pgm,others,sub02,casme2,EP02,test,,,,\"y, \"\"z\"\"\"\n"
                              "a.pgm,surprise,s3,SMIC-HS,s3_sur_01,train,1,2,3,x\n"
                              "./a.pgm,anger,006,samm,006_1_2,,0,0,0,\n";
  static const char windows[] = "\xEF\xBB\xBFlabel,path,dataset,subject\r\nneg,a.pgm,own,\r\npos,b.pgm,own,p/1\r\n\r\n";
  emit("plain.csv", plain, sizeof plain - 1, SIZE_MAX);
  emit("windows.csv", windows, sizeof windows - 1, SIZE_MAX);
}
