namespace Engine.Kernels;

/// <summary>A loss of one prediction and one target; one source for CPU and GPU.</summary>
internal interface IElementLoss
{
    static abstract T Loss<T>(T x, T target)
        where T : unmanaged, IReal<T>;

    /// <summary>The derivative with respect to x.</summary>
    static abstract T Derivative<T>(T x, T target)
        where T : unmanaged, IReal<T>;
}

/// <summary>
/// Binary cross-entropy of a logit, <c>−t log σ(x) − (1 − t) log(1 − σ(x))</c> = <c>max(x, 0) − x t + log(1 + exp(−|x|))</c>, which does
/// not overflow.
/// </summary>
internal readonly struct BinaryCrossEntropyLoss : IElementLoss
{
    public static T Loss<T>(T x, T target)
        where T : unmanaged, IReal<T>
        => T.Max(x, 0f) - (x * target) + T.Log(1f + T.Exp(-T.Abs(x)));

    public static T Derivative<T>(T x, T target)
        where T : unmanaged, IReal<T>
        => T.Reciprocal(1f + T.Exp(-x)) - target;
}

/// <summary>The squared error, <c>(x − t)²</c>.</summary>
internal readonly struct SquaredErrorLoss : IElementLoss
{
    public static T Loss<T>(T x, T target)
        where T : unmanaged, IReal<T>
        => (x - target) * (x - target);

    public static T Derivative<T>(T x, T target)
        where T : unmanaged, IReal<T>
        => 2f * (x - target);
}
