
namespace Engine.Kernels;

/// <summary>
/// The weight of a linear layer, <c>[out, in]</c>: either a row-major tensor, as it is trained, or one that
/// <c>Backend.Pack</c> has laid out once for the backend's matrix product, as it is used for inference.
/// </summary>
public readonly struct Weight
{
    internal Weight(Tensor data, int outputs, int inputs, Activation activation)
    {
        (Data, Outputs, Inputs, PackedFor, IsPacked) = (data, outputs, inputs, activation, true);
    }

    /// <summary>A row-major weight <c>[out, in]</c>.</summary>
    public Weight(Tensor data)
    {
        if (data.Shape.Rank != 2) throw new ArgumentException($"a weight has the shape [out, in], not {data.Shape}");
        (Data, Outputs, Inputs) = (data, data.Shape[0], data.Shape[1]);
    }

    /// <summary>The elements; row-major only unless <see cref="IsPacked"/>.</summary>
    public Tensor Data { get; }

    /// <summary>Columns of the product.</summary>
    public int Outputs { get; }

    /// <summary>Columns of the operand.</summary>
    public int Inputs { get; }

    /// <summary>Whether the backend has laid it out.</summary>
    public bool IsPacked { get; }

    /// <summary>The activation it was laid out for: a gated one interleaves the two halves.</summary>
    internal Activation PackedFor { get; }
}
