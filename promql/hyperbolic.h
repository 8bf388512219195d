/*
 * The hyperbolic functions with the very digits that Go's math package gives; see base/logarithm.h
 * for why. Small arguments go by rational approximations (J. F. Hart, Computer Approximations;
 * Cephes), others by the exponential and the logarithm.
 *
 * Thread-safety: functions of their arguments.
 */
#pragma once

double hyperbolic_sine(double value);
double hyperbolic_cosine(double value);
double hyperbolic_tangent(double value);
double hyperbolic_arc_sine(double value);
double hyperbolic_arc_cosine(double value);
double hyperbolic_arc_tangent(double value);
