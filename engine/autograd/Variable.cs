using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>
/// A tensor on its way through a model. A tracked variable has a place on the tape, where its gradient is kept; a plain tensor converts
/// to a constant. The default value is "none", for operands that may be absent.
/// </summary>
public readonly struct Variable
{
    private readonly int _place;

    internal Variable(Tensor data, int id) => (Data, _place) = (data, id + 1);

    /// <summary>The values.</summary>
    public Tensor Data { get; }

    /// <summary>Whether a gradient flows to it.</summary>
    public bool IsTracked => _place > 0;

    internal int Id => _place - 1;

    /// <summary>A constant.</summary>
    public static implicit operator Variable(Tensor tensor) => FromTensor(tensor);

    /// <summary>A constant.</summary>
    public static Variable FromTensor(Tensor tensor) => new(tensor, -1);
}
