/* What the two files of alerting share. */
#pragma once

#include "rules/alerting.h"

#define LABEL_ALERT_NAME "alertname"

void alert_free(struct alert *alert);
/* For tables of alerts: does it have the labels that `key` points to? */
bool alert_has_labels(const void *value, const void *key);
