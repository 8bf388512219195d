/*
 * Logarithms and the power of two with the very digits that Go's math package gives on x86-64,
 * which are what users of the reference see: the C library rounds better, hence differs in the last
 * bit.
 *
 * Thread-safety: functions of their arguments.
 */
#pragma once

double logarithm_natural(double value);
/* Exact for powers of two. */
double logarithm_binary(double value);
double logarithm_decimal(double value);
/* Of 1 + value, exact where the value is small. */
double logarithm_above_one(double value);
/* 2^exponent; infinite already above 1023.9999999999999. */
double power_of_two(double exponent);
