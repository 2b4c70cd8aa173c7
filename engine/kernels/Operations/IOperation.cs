namespace Engine.Kernels;

/// <summary>
/// One operation with its operands: a readonly struct that a backend runs. It checks its operands, says what it costs, and has a form for
/// each kind of backend; timing, locking and memory are the backend's. An operation of another assembly has the same rights as one of
/// this. When <c>Backend.Run</c> returns, the results are there; on a GPU their computation is launched, and a download waits for it.
/// </summary>
public interface IOperation
{
    /// <summary>What it is called in profiles and messages: "layer norm".</summary>
    static abstract string Name { get; }

    /// <summary>What one run costs; asked only while somebody measures.</summary>
    OperationCost Cost { get; }

    /// <summary>Refuses operands of a wrong type or shape, before anything is computed.</summary>
    /// <param name="operands">Tells what is expected.</param>
    /// <exception cref="ArgumentException">An operand is not as expected; the message names it.</exception>
    void Check(OperandCheck operands);

    /// <summary>Computes on the processor.</summary>
    /// <typeparam name="T">A register: the form of the processor's instructions.</typeparam>
    /// <param name="cpu">Runs jobs on all threads.</param>
    void RunOnCpu<T>(CpuLauncher cpu)
        where T : unmanaged, ISimd<T>;

    /// <summary>Launches its kernels. An operation for the CPU alone leaves it out.</summary>
    /// <param name="gpu">Launches kernels.</param>
    /// <exception cref="NotSupportedException">There is no kernel for such operands; the message says what helps.</exception>
    void RunOnGpu(GpuLauncher gpu) => throw new NotSupportedException($"{GetType().Name} has no form for a GPU; run it on the CPU");
}

/// <summary>What one run of an operation costs.</summary>
/// <param name="Shape">The shape it is listed under: that of its result; of a product (rows, columns, length of the reduction).</param>
/// <param name="Flops">Floating-point operations; a multiplication and an addition are two. 0 where memory is what counts.</param>
/// <param name="Bytes">Bytes of all operands and results, each counted once.</param>
public readonly record struct OperationCost(Shape Shape, double Flops, double Bytes);
