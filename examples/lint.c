/* efme-lint: looks released archives over and prints what is wrong with them; nothing is changed. */
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] = "Usage: efme-lint [--json] NAME:FOLDER[,table=FILE.csv][,layout=WORD] ...\n"
                           "Prints what does not fit in releases of micro-expression sets: a line each, or JSON.\n"
                           "A folder or file with a comma in its name is not taken.\n\n"
                           "  NAME    smic-hs smic-e casme2 samm casme casme-squared casme3 mmew 4dme\n"
                           "  table   the annotation table (efme-xlsx2csv makes it); else looked for in FOLDER under its official name\n"
                           "  layout  raw, selected, cropped; else the first that is there\n"
                           "Exit codes: 0 nothing but notes, 1 errors or warnings, 2 could not run, 3 interrupted.\n";

enum { MAX_RELEASES = 16 };
static const char me[] = "efme-lint";

/* Takes text apart in place. */
static void parse_release(efme_release_options *o, char *text) {
  char *colon = strchr(text, ':');
  if (!colon || colon == text || !colon[1]) usage_error(me, "'%s' is not NAME:FOLDER", text);
  *colon = '\0';
  o->name = text, o->root = colon + 1;
  for (char *part = strchr(colon + 1, ','); part;) {
    *part++ = '\0';
    char *next = strchr(part, ',');
    if (next) *next = '\0';
    if (!strncmp(part, "table=", 6)) o->table = part + 6;
    else if (!strncmp(part, "layout=", 7)) o->layout = part + 7;
    else usage_error(me, "'%s' is neither table=FILE nor layout=WORD", part);
    part = next;
  }
}

static efme_status lint(efme_context *context, const efme_release_options *const *list, uint32_t count, int json, uint64_t *bad) {
  efme_dataset_options options = EFME_DATASET_OPTIONS_INIT;
  efme_lint *l = NULL;
  char *text = NULL;
  options.progress = show_count;
  efme_status status = efme_lint_run(&l, context, list, count, &options);
  if (!status) status = efme_lint_text(l, json, &text);
  if (!status) fputs(text, stdout), *bad = efme_lint_count(l, EFME_SEVERITY_WARNING);
  efme_string_free(text);
  efme_lint_release(l);
  return status;
}

int main(int argc, char **argv) {
  efme_release_options releases[MAX_RELEASES];
  const efme_release_options *list[MAX_RELEASES];
  uint32_t count = 0;
  int json = 0;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--help")) {
      fputs(help, stdout);
      return program_ended(me, EXIT_DONE);
    }
    if (!strcmp(argv[i], "--json")) json = 1;
    else if (argv[i][0] == '-') usage_error(me, "unknown option '%s'", argv[i]);
    else if (count == MAX_RELEASES) usage_error(me, "more than %d releases", MAX_RELEASES);
    else {
      releases[count] = (efme_release_options)EFME_RELEASE_OPTIONS_INIT;
      list[count] = &releases[count];
      parse_release(&releases[count++], argv[i]);
    }
  }
  if (!count) usage_error(me, "needs NAME:FOLDER");
  efme_context *context = NULL;
  uint64_t bad = 0;
  efme_status status = program_start(&context, 1);
  if (!status) status = lint(context, list, count, json, &bad);
  efme_context_release(context);
  if (status) return program_failed(me, "lint", status) == EXIT_INTERRUPTED ? EXIT_INTERRUPTED : EXIT_USAGE;
  int code = program_ended(me, EXIT_DONE);
  return code ? EXIT_USAGE : bad ? EXIT_FAILED : EXIT_DONE;
}
