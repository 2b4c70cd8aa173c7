using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Autograd;

public class TapeTests
{
    [Fact]
    public void Recording_an_op_without_a_gradient_is_an_error_that_names_it()
    {
        using var check = new GradientCheck(CpuBackend.Create(1));
        (Variable x, _) = check.Input("x", 2, 3);
        NotSupportedException error = Assert.Throws<NotSupportedException>(
            () => new Pool(Pooling.Max).Forward(check.Tape, x, check.Arena.RentCuSeqlens([2])));
        Assert.Contains("Pool(Max) has no gradient", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Backward_from_what_is_not_trained_is_an_error()
    {
        using var check = new GradientCheck(CpuBackend.Create(1));
        Tensor constant = check.Tape.Rent(2, 3);
        Variable y = Tanh.Instance.Forward(check.Tape, constant);
        Assert.False(y.IsTracked);
        Assert.Throws<InvalidOperationException>(() => check.Tape.Backward(y));
    }

    [Fact]
    public void A_frozen_parameter_gets_no_gradient_and_lets_it_through()
    {
        using var check = new GradientCheck(CpuBackend.Create(1));
        Linear first = Linear.Declare(check.Parameters, "first", 3, 3), frozen = Linear.Declare(check.Parameters, "frozen", 3, 3);
        check.Fill();
        frozen.Weight.IsFrozen = frozen.Bias!.IsFrozen = true;
        Tensor x = check.Tape.Rent(2, 3), dy = check.Tape.RentGradient(new Shape(2, 3), DType.F32);
        x.Span<float>().Fill(1);
        dy.Span<float>().Fill(1);
        check.Tape.Backward(frozen.Forward(check.Tape, first.Forward(check.Tape, x)), dy);
        Assert.All(frozen.Weight.Gradient.Span<float>().ToArray(), g => Assert.Equal(0, g));
        Assert.All(first.Weight.Gradient.Span<float>().ToArray(), g => Assert.NotEqual(0, g));
    }

    [Fact]
    public void In_place_a_sum_takes_that_of_its_residual_but_never_of_the_factor_that_is_still_read()
    {
        const int Rows = 300, Width = 130;
        using Backend backend = CpuBackend.Create(2);
        using var set = new ParameterSet(backend);
        Linear linear = Linear.Declare(set, "l", Width, Width);
        set.FillPacked(Initialization.Normal(1, 0.1f));
        using Arena arena = new(backend), copies = new(backend);
        var tape = Tape.ForInference(arena);
        Tensor x = tape.Rent(Rows, Width), residual = tape.Rent(Rows, Width), y = copies.Rent(x.Shape, DType.F32);
        new Philox(1, 0, 0).FillNormal(x.Span<float>(), 1);
        new Philox(2, 0, 0).FillNormal(residual.Span<float>(), 1);
        float[] before = x.Span<float>().ToArray();

        backend.Run(new LinearForward(x, linear.Weight.Weight, linear.Bias!.Value, Activation.None, residual, y));
        Tensor sum = linear.ForwardInPlace(tape, x, residual).Data;
        Assert.True(sum.IsSameAs(residual));
        Assert.Equal(y.Span<float>().ToArray(), sum.Span<float>().ToArray());

        backend.Run(new LinearForward(x, linear.Weight.Weight, linear.Bias!.Value, Activation.None, x, y));
        sum = linear.ForwardInPlace(tape, x, residual: x).Data;
        Assert.Equal(y.Span<float>().ToArray(), sum.Span<float>().ToArray());
        Assert.Equal(before, x.Span<float>().ToArray());
    }

    [Fact]
    public void Dropout_masks_differ_between_steps_and_sites_and_repeat_for_the_same()
    {
        using Backend backend = CpuBackend.Create(3);
        using var arena = new Arena(backend);
        float[] Draw(ulong seed, uint step, uint site)
        {
            Tensor x = arena.Rent(new Shape(1000), DType.F32);
            x.Span<float>().Fill(1);
            Tensor stream = arena.Rent(new Shape(3), DType.I32);
            backend.Upload<uint>([(uint)seed, (uint)(seed >> 32), step], stream);
            backend.Run(new DropoutForward(x, stream, (int)site, 0.25f, default, x));
            return x.Span<float>().ToArray();
        }

        float[] mask = Draw(1, 2, 3);
        Assert.Equal(mask, Draw(1, 2, 3));
        Assert.NotEqual(mask, Draw(1, 2, 4));
        Assert.NotEqual(mask, Draw(1, 3, 3));
        Assert.NotEqual(mask, Draw(2, 2, 3));
        Assert.InRange(mask.Count(v => v == 0), 200, 300);
        Assert.All(mask, v => Assert.True(v == 0 || v == 1 / 0.75f));
        var word = new Philox(1, 2, 3);
        for (int i = 0; i < mask.Length; i++) Assert.Equal(word.Word((ulong)i) >= (1u << 30), mask[i] != 0);
    }

    [Fact]
    public void Gradients_are_bit_equal_for_every_number_of_threads()
    {
        byte[] Run(int threads)
        {
            using var check = new GradientCheck(CpuBackend.Create(threads));
            Linear linear = Linear.Declare(check.Parameters, "l", 40, 70, Activation.Geglu, dropout: 0.1f),
                back = Linear.Declare(check.Parameters, "b", 70, 40);
            LayerNorm norm = LayerNorm.Declare(check.Parameters, "n", 40, 1e-5f);
            check.Fill();
            (Variable x, _) = check.Input("x", 333, 40);
            Variable y = norm.Forward(check.Tape, back.Forward(check.Tape, linear.Forward(check.Tape, x), residual: x));
            Tensor dy = check.Tape.RentGradient(y.Data.Shape, DType.F32);
            dy.Span<float>().Fill(0.5f);
            check.Tape.Backward(y, dy);
            return System.Runtime.InteropServices.MemoryMarshal.AsBytes(check.Parameters.Gradients.Span<float>()).ToArray();
        }

        byte[] one = Run(1);
        Assert.Equal(one, Run(2));
        Assert.Equal(one, Run(5));
    }

    [Fact]
    public void Schedules_warm_up_and_decay_as_named()
    {
        var linear = new Schedule(2, 10, 110);
        Assert.Equal([0, 1, 2, 1, 0], new[] { 0, 5, 10, 60, 110 }.Select(linear.At));
        Assert.Equal(1, (linear with { Decay = Decay.Cosine }).At(60), 1e-12);
        Assert.Equal(2, (linear with { Decay = Decay.Constant }).At(109));
        Assert.Equal(2, new Schedule(2, 0, 5, Decay.Linear).At(0));
    }
}
