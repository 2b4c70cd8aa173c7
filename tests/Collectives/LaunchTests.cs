using Engine.Runtime.Collectives;

namespace Tests.Collectives;

public sealed class LaunchTests
{
    [Theory]
    [InlineData("", 0, 1, 0, 1)]
    [InlineData("OMPI_COMM_WORLD_RANK=2 OMPI_COMM_WORLD_SIZE=4 OMPI_COMM_WORLD_LOCAL_RANK=1 OMPI_COMM_WORLD_LOCAL_SIZE=2", 2, 4, 1, 2)]
    [InlineData("PMI_RANK=3 PMI_SIZE=4 MPI_LOCALRANKID=0 MPI_LOCALNRANKS=1", 3, 4, 0, 1)]
    [InlineData("PMI_RANK=1 PMI_SIZE=2", 1, 2, 0, 1)]
    [InlineData("SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=3 SLURM_PROCID=2 SLURM_LOCALID=1 PMIX_RANK=2", 2, 3, 1, 1)]
    [InlineData("SLURM_NTASKS=8 SLURM_PROCID=0", 0, 1, 0, 1)]
    [InlineData("SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=1 SLURM_PROCID=0", 0, 1, 0, 1)]
    [InlineData("OMPI_COMM_WORLD_RANK=x OMPI_COMM_WORLD_SIZE=4", 0, 1, 0, 1)]
    public void A_launcher_is_known_by_its_environment(string environment, int rank, int size, int localRank, int localSize)
    {
        Launch launch = Of(environment);
        Assert.Equal((rank, size, localRank, localSize), (launch.Rank, launch.Size, launch.LocalRank, launch.LocalSize));
        Assert.Equal(size > 1, launch.IsParallel);
    }

    [Fact]
    public void Processes_that_srun_has_not_connected_are_refused()
    {
        var e = Assert.Throws<CollectiveException>(() => Of("SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=3 SLURM_PROCID=2"));
        Assert.Contains("name pmix to its option", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_library_is_known_by_its_name()
    {
        Assert.Equal(MpiConstants.Mpich, MpiConstants.Of("MPICH Version:\t4.0.2\nMPICH Release date:\t…", 0, isStandard: false));
        Assert.Equal(MpiConstants.Mpich, MpiConstants.Of("Intel(R) MPI Library 2021.10 for Linux* OS", 0, isStandard: false));
        Assert.Equal(MpiConstants.Standard, MpiConstants.Of("Open MPI v6", 0, isStandard: true));
        Assert.Null(MpiConstants.Of("Platform MPI 9", 0, isStandard: false));
    }

    private static Launch Of(string environment)
    {
        Dictionary<string, string> variables = environment.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(pair => pair.Split('=')).ToDictionary(pair => pair[0], pair => pair[1]);
        return Launch.Detect(name => variables.GetValueOrDefault(name));
    }
}
