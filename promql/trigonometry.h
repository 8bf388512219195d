/*
 * Sine and its kin with the very digits that Go's math package gives, which computes them as the
 * Cephes library of S. L. Moshier does; see base/logarithm.h for why.
 *
 * Thread-safety: functions of their arguments.
 */
#pragma once

double sine(double angle);
double cosine(double angle);
double tangent(double angle);
double arc_sine(double value);
double arc_cosine(double value);
double arc_tangent(double value);
/* The angle of the point (x, y). */
double arc_tangent_of(double y, double x);
