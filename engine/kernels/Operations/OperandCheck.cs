using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>Holds operands against what an operation expects.</summary>
/// <param name="activations">The element type of activations on the backend that runs the operation.</param>
public readonly struct OperandCheck(DType activations)
{
    /// <summary>The type of an operation's numbers: that of its first operand where the backend computes in it, else F32.</summary>
    public DType TypeOf(Tensor first) => first.DType == activations ? activations : DType.F32;

    /// <summary>Refuses an operand of another type or shape, or an absent one.</summary>
    /// <param name="operand">The operand.</param>
    /// <param name="dtype">Its type.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="name">Its name.</param>
    /// <exception cref="ArgumentException">It is another one.</exception>
    [SuppressMessage("Performance", "CA1822:Mark members as static", Justification = "a check reads operands.Expect(…) throughout")]
    public void Expect(Tensor operand, DType dtype, Shape shape, [CallerArgumentExpression(nameof(operand))] string name = "")
    {
        if (operand.IsAbsent || operand.DType != dtype || operand.Shape != shape)
            throw new ArgumentException($"{name} is {operand}, expected {dtype} {shape}", name);
    }

    /// <summary>The same; the operand may be absent.</summary>
    /// <inheritdoc cref="Expect"/>
    public void ExpectIfPresent(Tensor operand, DType dtype, Shape shape, [CallerArgumentExpression(nameof(operand))] string name = "")
    {
        if (!operand.IsAbsent) Expect(operand, dtype, shape, name);
    }
}
