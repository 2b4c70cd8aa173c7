using System.Globalization;

namespace Engine.Runtime.Collectives;

/// <summary>
/// What a launcher (<c>mpirun</c>, <c>srun</c>) has told this process of itself in its environment, before any library is loaded.
/// </summary>
/// <param name="Rank">The number of the process, from 0.</param>
/// <param name="Size">How many processes there are.</param>
/// <param name="LocalRank">Its number among those of the same machine.</param>
/// <param name="LocalSize">How many there are on this machine; 1 where that is not known.</param>
/// <param name="Launcher">The launcher, for people.</param>
public readonly record struct Launch(int Rank, int Size, int LocalRank, int LocalSize, string Launcher)
{
    private const string OpenMpi = "mpirun of Open MPI", Hydra = "mpirun of MPICH", Slurm = "srun with PMIx";

    // Rank, size, rank on the machine, processes on the machine.
    private static readonly (string Launcher, string[] Names)[] Known =
    [
        (OpenMpi, ["OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"]),
        (Hydra, ["PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"]),
    ];

    /// <summary>One process that nobody has launched together with others.</summary>
    public static Launch Alone { get; } = new(0, 1, 0, 1, "");

    /// <summary>Whether there are other processes.</summary>
    public bool IsParallel => Size > 1;

    /// <summary>Whether the MPI to look for first is Open MPI.</summary>
    internal bool PrefersOpenMpi => Launcher != Hydra;

    /// <summary>What this process's launcher says.</summary>
    /// <exception cref="CollectiveException">There are several processes, and the launcher has not connected them by MPI.</exception>
    public static Launch OfProcess() => Detect(Environment.GetEnvironmentVariable);

    /// <summary>What an environment says.</summary>
    internal static Launch Detect(Func<string, string?> variable)
    {
        foreach ((string launcher, string[] names) in Known)
            if (Number(variable(names[1])) is { } size && Number(variable(names[0])) is { } rank)
                return new Launch(rank, size, Number(variable(names[2])) ?? 0, Number(variable(names[3])) ?? 1, launcher);
        // Of a batch script that is no step, Slurm says the number of tasks as well.
        if (variable("SLURM_STEP_ID") is null || Number(variable("SLURM_STEP_NUM_TASKS")) is not { } tasks || tasks < 2) return Alone;
        int task = Number(variable("SLURM_PROCID")) ?? 0;
        if (variable("PMIX_RANK") is null)
            throw new CollectiveException(
                $"srun started {tasks} processes without MPI between them: name pmix to its option 'mpi', or start one alone");
        return new Launch(task, tasks, Number(variable("SLURM_LOCALID")) ?? 0, 1, Slurm);
    }

    private static int? Number(string? text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;
}
