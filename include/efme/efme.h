/* libefme: lightweight micro-expression recognition. Includes every public header; see docs/conventions.md. */
#ifndef EFME_EFME_H
#define EFME_EFME_H

#include "efme/align.h"
#include "efme/context.h"
#include "efme/dataset.h"
#include "efme/evaluator.h"
#include "efme/export.h"
#include "efme/face.h"
#include "efme/image.h"
#include "efme/model.h"
#include "efme/optimizer.h"
#include "efme/predictor.h"
#include "efme/prepare.h"
#include "efme/release.h"
#include "efme/status.h"
#include "efme/synthetic.h"
#include "efme/trainer.h"
#include "efme/version.h"

#endif
