internal import Glibc

// Functions of the C library, all in double: a result that is rounded to a float is the same
// whatever the last bit of the double is, but for about one in 2²⁸.

/// one to the power of other; whole powers up to 3 by multiplication, as runtimes do.
func libraryPower(_ one: Double, _ other: Double) -> Double {
  if other == 2 { return one * one }
  if other == 1 { return one }
  if other == 3 { return one * one * one }
  return pow(one, other)
}

func libraryLog(_ value: Double) -> Double { log(value) }
func libraryLog1p(_ value: Double) -> Double { log1p(value) }
func libraryExp(_ value: Double) -> Double { exp(value) }
func libraryExpm1(_ value: Double) -> Double { expm1(value) }
func libraryTanh(_ value: Double) -> Double { tanh(value) }
func libraryErf(_ value: Double) -> Double { erf(value) }
func librarySin(_ value: Double) -> Double { sin(value) }
func libraryCos(_ value: Double) -> Double { cos(value) }

/// The normal quantile, in floats as ONNX Runtime has it.
///
/// By an approximation of the inverse error function (S. Winitzki: A handy approximation for the
/// error function and its inverse, 2008).
func probit(_ value: Double) -> Double {
  let argument = 2 * Float(value) - 1
  let sign: Float = argument < 0 ? -1 : 1
  let logarithm = Float(log(Double((1 - argument) * (1 + argument))))
  let first: Float = 2 / (3.14159 * 0.147) + 0.5 * logarithm
  let second: Float = 1 / 0.147 * logarithm
  let root = -first + (first * first - second).squareRoot()
  return Double(1.41421356 * sign * root.squareRoot())
}
