using Engine.Autograd;
using Engine.KernelCompiler;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;
using OwnOperation;

// The gradient of the sum of all results, beside differences of the definition in float64; on a GPU with the argument cuda.
float[] values = [-4, -1.5f, -0.25f, 0, 0.5f, 2, 7], computed = new float[values.Length];
using Backend backend = args is ["cuda"] ? CudaDevices.Open(compiler: new IlgpuKernelCompiler()) : CpuBackend.Create();
using Arena activations = new(backend), gradients = new(backend);
Tape tape = Tape.ForTraining(activations, gradients);
Variable x = tape.Track(activations.Rent(new Shape(1, values.Length), DType.F32));
backend.Upload<float>(values, x.Data);
Variable y = Silu.Instance.Forward(tape, x);
Tensor ones = gradients.Rent(y.Data.Shape, DType.F32);
backend.Upload<float>([1, 1, 1, 1, 1, 1, 1], ones);
tape.Backward(y, ones);
backend.Download(tape.GradientOf(x), computed.AsSpan());

double worst = 0;
for (int i = 0; i < values.Length; i++)
{
    const double Step = 1e-5;
    double expected = (Definition(values[i] + Step) - Definition(values[i] - Step)) / (2 * Step);
    worst = Math.Max(worst, Math.Abs(expected - computed[i]));
}

Console.WriteLine($"{backend.Description}: the gradient of SiLU is {worst:E1} from central differences");
return worst < 1e-5 ? 0 : 1;

static double Definition(double v) => v / (1 + Math.Exp(-v));
