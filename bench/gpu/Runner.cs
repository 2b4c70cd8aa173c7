using System.Diagnostics;
using Engine.Runtime.Cuda;

namespace GpuBench;

/// <summary>Something to be checked or measured on a GPU.</summary>
/// <param name="Part">The part of the run it belongs to.</param>
/// <param name="Name">What it is, unique in its part.</param>
/// <param name="Run">Does it, on a GPU that it opens and disposes; throws where something is wrong. A text it returns is a figure.</param>
internal sealed record WorkItem(string Part, string Name, Func<Func<GpuDevice>, string?> Run);

/// <summary>Runs tasks one after the other; one that fails does not keep the others from running.</summary>
internal static class Runner
{
    /// <summary>All went well; something failed; the GPU has stopped, and what is left needs a new process.</summary>
    public const int Good = 0, Bad = 1, Again = 3;

    /// <summary>Runs what the journal does not have yet.</summary>
    /// <returns>The exit code.</returns>
    public static int Run(IEnumerable<WorkItem> tasks, Journal journal, Func<GpuDevice> open)
    {
        WorkItem[] all = [.. tasks];
        foreach (WorkItem task in all)
        {
            if (journal.Find(task.Part, task.Name) is not null) continue;
            journal.Begin(task.Part, task.Name);
            long start = Stopwatch.GetTimestamp();
            try
            {
                string? figure = task.Run(open);
                string time = $"{Stopwatch.GetElapsedTime(start).TotalSeconds:F2} s";
                journal.Add(new(figure is null ? Journal.Passed : Journal.Figure, task.Part, task.Name, figure ?? time));
            }
            catch (FileNotFoundException absent)
            {
                journal.Add(new(Journal.Skipped, task.Part, task.Name, absent.Message));
            }
            catch (CudaException fault) when (CudaContext.IsFinal((CudaResult)fault.Code))
            {
                journal.Add(new(Journal.Failed, task.Part, task.Name, fault.Message));
                return Again;
            }
            catch (Exception fault)
            {
                journal.Add(new(Journal.Failed, task.Part, task.Name, $"{fault.GetType().Name}: {fault.Message}"));
            }
        }

        return all.Any(t => journal.Find(t.Part, t.Name)!.Result == Journal.Failed) ? Bad : Good;
    }
}
