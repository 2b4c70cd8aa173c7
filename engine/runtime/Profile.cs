using System.Diagnostics;
using Engine.Kernels;

namespace Engine.Runtime;

/// <summary>The time of operations of a name and shape.</summary>
/// <param name="Name">Its name: "linear".</param>
/// <param name="Shape">Of its result; of a product (rows, columns, length of the reduction).</param>
/// <param name="Calls">How often it ran.</param>
/// <param name="Seconds">All calls together.</param>
/// <param name="Flops">Floating-point operations of all calls; a multiplication and an addition are two.</param>
/// <param name="Bytes">Bytes of all operands and results of all calls, each counted once.</param>
public readonly record struct OperationTime(string Name, Shape Shape, int Calls, double Seconds, double Flops, double Bytes);

/// <summary>
/// Times each operation of a <see cref="Backend"/> where it runs, amid the others; attach it with <see cref="Backend.Profile"/>.
/// </summary>
public sealed class Profile
{
    private readonly Dictionary<(string, Shape), OperationTime> _times = [];

    /// <summary>All operations, in the order in which they first ran.</summary>
    public IReadOnlyCollection<OperationTime> Operations => _times.Values;

    internal void Add(string name, in OperationCost cost, double seconds)
    {
        _times.TryGetValue((name, cost.Shape), out OperationTime before);
        _times[(name, cost.Shape)] = new OperationTime(
            name, cost.Shape, before.Calls + 1, before.Seconds + seconds, before.Flops + cost.Flops, before.Bytes + cost.Bytes);
    }
}

/// <summary>The time from its making to its disposal, if somebody wants to know.</summary>
internal readonly ref struct OperationTimer(Profile? profile, string name, OperationCost cost)
{
    private readonly long _start = profile is null ? 0 : Stopwatch.GetTimestamp();

    public void Dispose() => profile?.Add(name, cost, Stopwatch.GetElapsedTime(_start).TotalSeconds);
}
