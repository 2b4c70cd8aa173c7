using System.Runtime.InteropServices;

namespace Engine.Kernels;

/// <summary>
/// Tells the workers of a job that its result is wanted no more: a word in native memory, which the structs of jobs can point at. A job
/// that takes long looks at it between its parts and leaves off; whoever raised it throws the result away.
/// </summary>
internal sealed unsafe class StopFlag : IDisposable
{
    /// <summary>The word: 0, or 1 once it is raised.</summary>
    public int* Word { get; } = (int*)NativeMemory.AllocZeroed(sizeof(int));

    /// <summary>Whether a flag was raised; null is one that never is.</summary>
    public static bool IsRaised(int* word) => word != null && Volatile.Read(ref *word) != 0;

    public void Raise() => Volatile.Write(ref *Word, 1);

    public void Dispose() => NativeMemory.Free(Word);
}
