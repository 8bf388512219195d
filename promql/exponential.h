/*
 * e^x and x^y with the very digits that Go's math package gives on x86-64; see base/logarithm.h.
 *
 * Thread-safety: functions of their arguments.
 */
#pragma once

double exponential(double exponent);
/* Special cases are those of C. */
double power(double base, double exponent);
